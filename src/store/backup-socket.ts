import { chmodSync, closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { writeBackup } from './backup.ts'
import { DamagedDatabase } from './damaged.ts'
import { Database } from './database.ts'
import { removeOpenMark } from './open-mark.ts'
import { storedSecret } from './secret.ts'

const NAME = 'backup.sock'
const LONGEST_REQUEST_BYTES = 8192
const REQUEST_MS = 5000
const ANSWER_MS = 300_000

/** Says what became of it: a size, or why not. */
export type BackupAnswer = { sizeBytes: number } | { error: string }

/**
 * `<dataDir>/backup.sock`, in a folder that is the server's user's alone: whoever connects sends the absolute path of a file and a
 * line end, and is answered with one line of JSON when the backup is there. One after the other.
 */
export class BackupSocket {
  readonly #server: Server
  readonly #path: string
  readonly #folder: number
  readonly #sockets = new Set<Socket>()
  #last: Promise<unknown> = Promise.resolve()

  static async open(dataDir: string, write: (file: string) => Promise<{ sizeBytes: number }>): Promise<BackupSocket> {
    const folder = openSync(dataDir, 'r')
    const socket = new BackupSocket(dataDir, folder, write)
    rmSync(socket.#path, { force: true })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.#server.once('error', reject)
    socket.#server.listen(shortPath(folder), resolve)
    await promise
    chmodSync(socket.#path, 0o600)
    socket.#server.unref()
    return socket
  }

  private constructor(dataDir: string, folder: number, write: (file: string) => Promise<{ sizeBytes: number }>) {
    this.#path = join(dataDir, NAME)
    this.#folder = folder
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
      void answer(socket, (file) => {
        const next = this.#last.then(() => write(file))
        this.#last = next.catch(() => undefined)
        return next
      })
    })
  }

  /** Waits for a backup under way. */
  async close(): Promise<void> {
    this.#server.close()
    await this.#last
    for (const socket of this.#sockets) socket.destroySoon()
    closeSync(this.#folder)
    rmSync(this.#path, { force: true })
  }
}

async function answer(socket: Socket, write: (file: string) => Promise<{ sizeBytes: number }>): Promise<void> {
  let said: BackupAnswer
  try {
    const file = await readLine(socket, REQUEST_MS)
    if (!file.startsWith('/')) throw new Error('the path of the file has to be absolute')
    said = { sizeBytes: (await write(file)).sizeBytes }
  } catch (error) {
    said = { error: (error as Error).message }
  }
  socket.end(`${JSON.stringify(said)}\n`)
}

/** Asks the server of a data folder; null: none runs. */
export async function askForBackup(dataDir: string, file: string): Promise<BackupAnswer | null> {
  const folder = openSync(dataDir, 'r')
  const socket = createConnection(shortPath(folder))
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once('connect', resolve).once('error', reject)
    await promise
    socket.on('error', () => undefined)
    socket.write(`${file}\n`)
    return JSON.parse(await readLine(socket, ANSWER_MS)) as BackupAnswer
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return null
    throw error
  } finally {
    socket.destroy()
    closeSync(folder)
  }
}

/** The same where no server runs: the database is opened for as long as it takes. */
export async function writeBackupOf(dataDir: string, file: string): Promise<{ sizeBytes: number }> {
  const secret = storedSecret(dataDir)
  if (secret === null || !existsSync(join(dataDir, 'k2.db')))
    throw new Error(`${dataDir} has no database with its secret; set K2_DATA_DIR to the folder of the server`)
  const db = openUnused(dataDir)
  if (db === null) throw new Error(`the database in ${dataDir} is damaged; start the server, which makes it anew`)
  try {
    return await writeBackup(file, secret, (part) => db.copyTo(part))
  } finally {
    removeOpenMark(dataDir)
    db.close()
  }
}

/** Throws while a server has the data folder. */
export async function requireUnused(dataDir: string): Promise<void> {
  // A path that no server takes: it answers, and that is all that is wanted.
  if ((await askForBackup(dataDir, '.')) !== null)
    throw new Error(`a server runs with ${dataDir}; stop it first, its sandboxes run on`)
  if (!existsSync(join(dataDir, 'k2.db'))) return
  const db = openUnused(dataDir)
  if (db === null) return
  removeOpenMark(dataDir)
  db.close()
}

/** null: it is damaged. */
function openUnused(dataDir: string): Database | null {
  try {
    return new Database(dataDir, { migrated: false })
  } catch (error) {
    if (error instanceof DamagedDatabase) return null
    throw error
  }
}

/** The path of a socket has 107 bytes at most, and that of a data folder may have more. */
const shortPath = (folder: number) => `/proc/self/fd/${folder}/${NAME}`

async function readLine(socket: Socket, limitMs: number): Promise<string> {
  socket.setTimeout(limitMs, () => socket.destroy(new Error('nothing came in time')))
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8')
    const end = text.indexOf('\n')
    if (end >= 0) return text.slice(0, end)
    if (text.length > LONGEST_REQUEST_BYTES) break
  }
  throw new Error('the other side ended before it had said all')
}
