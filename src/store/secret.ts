import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LENGTH = 32

/**
 * The instance's secret, `<dataDir>/secret` (0600), made on first use. It signs the labels of this server's containers, so it
 * is kept apart from the database: when that is lost, the sandboxes are still known as ours.
 */
export function instanceSecret(dataDir: string): Buffer {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const file = join(dataDir, 'secret')
  try {
    writeFileSync(file, randomBytes(LENGTH).toString('hex'), { mode: 0o600, flag: 'wx', flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const secret = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex')
  if (secret.length !== LENGTH)
    throw new Error(`${file} is damaged; restore it from a backup, or move it away and remove the sandboxes it signed`)
  return secret
}
