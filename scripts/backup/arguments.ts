import { existsSync, mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { readConfig } from '../../src/config.ts'

/** Of `npm run backup` and `npm run restore`: the file, absolute, and the data folder of the settings. */
export function readArguments(script: 'backup' | 'restore'): { file: string; dataDir: string } {
  const [file, ...more] = process.argv.slice(2)
  if (file === undefined || file.startsWith('-') || more.length > 0)
    throw new Error(`Usage: npm run ${script} -- FILE   (the data folder is that of K2_DATA_DIR)`)
  const { dataDir } = readConfig(process.env, [])
  if (script === 'restore') mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  else if (!existsSync(dataDir))
    throw new Error(`${dataDir} does not exist, so there is nothing to back up; set K2_DATA_DIR`)
  // npm has gone to the folder of package.json; a path is meant from where npm was called.
  return { file: resolve(process.env.INIT_CWD ?? '.', file), dataDir }
}

/** Prints what was done, or in one sentence why not. */
export async function sayOrExplain(work: () => Promise<string>): Promise<void> {
  try {
    console.log(await work())
  } catch (error) {
    console.error((error as Error).message)
    process.exitCode = 1
  }
}
