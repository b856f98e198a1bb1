/**
 * Runs once before any vitest project. What the suites need (agent, engine, images) is made by `npm run setup`;
 * here it is only checked, so that a bare `npx vitest run` says what is missing instead of failing test by test.
 */
import { existsSync } from 'node:fs'

export function setup(): void {
  if (!existsSync('build/agent/current/agent')) {
    console.warn('The agent is not built: suites that start sandboxes will fail. Run `npm run setup` first.')
  }
}
