import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MetaTable } from './meta.ts'

const LENGTH = 32
const fileOf = (dataDir: string) => join(dataDir, 'secret')

/**
 * The instance's secret, `<dataDir>/secret` (0600), made on first use. It signs the labels of this server's containers, so it
 * is kept apart from the database: when that is lost, the sandboxes are still known as ours. The database knows which one it is
 * used with: another one, or a new one, would know none of its sandboxes, so it is refused.
 */
export function instanceSecret(dataDir: string, meta: MetaTable): Buffer {
  const file = fileOf(dataDir)
  const known = meta.get('secret')
  if (known === null) makeSecret(dataDir)
  else if (!existsSync(file)) throw refusal(`${file} is missing`)
  const secret = readSecret(file)
  if (secret === null) throw refusal(`${file} is damaged`)
  if (known === null) meta.set('secret', digest(secret))
  else if (known !== digest(secret)) throw refusal(`${file} is not the secret that this database was used with`)
  return secret
}

export function hasSecret(dataDir: string): boolean {
  return existsSync(fileOf(dataDir))
}

/** null where there is none that can be read. */
export function storedSecret(dataDir: string): Buffer | null {
  return hasSecret(dataDir) ? readSecret(fileOf(dataDir)) : null
}

/** By which a database knows its secret. */
export function digestOfSecret(dataDir: string): string | null {
  const secret = storedSecret(dataDir)
  return secret && digest(secret)
}

function makeSecret(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(fileOf(dataDir), randomBytes(LENGTH).toString('hex'), { mode: 0o600, flag: 'wx', flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** null: it is none. */
function readSecret(file: string): Buffer | null {
  const text = readFileSync(file, 'utf8').trim()
  return /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : null
}

const digest = (secret: Buffer) => createHash('sha256').update('secret:1').update(secret).digest('hex')

/** With a cause: the sentence is all that its reader needs. */
function refusal(fact: string): Error {
  return new Error(
    `${fact}, and without it the sandboxes of this server can't be known as its own; put it back from a backup (npm run restore), or give them up: move k2.db away too, and remove their containers`,
    { cause: fact },
  )
}
