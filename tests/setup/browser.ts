import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { installPackages } from '../../scripts/setup/apt.ts'

const CHROMIUM = '/usr/bin/chromium'

/** The distribution's browser, installed where it is missing. Resolves with why where that can't be. */
export async function openBrowser(): Promise<Browser | string> {
  if (!existsSync(CHROMIUM)) {
    const failed = await installPackages(['chromium'], 'run browser tests').catch((error: Error) => error.message)
    if (failed !== undefined) return failed
  }
  // Containers and root have no user namespaces to give.
  return await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}
