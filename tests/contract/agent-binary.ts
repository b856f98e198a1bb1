import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

/** The agent that `npm run setup` built, or the one that K2_AGENT_BINARY names. */
export function agentBinary(): string {
  const path = resolve(process.env.K2_AGENT_BINARY ?? 'build/agent/current/agent')
  if (!existsSync(path)) throw new Error(`the agent is not at ${path}: run \`npm run setup\``)
  return path
}
