import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SandboxError } from '../../errors.ts'
import { isSandboxId } from '../../lib/ids.ts'

/** What never changes for a sandbox. */
export interface Identity {
  id: string
  record: string
  /** The image that its files began as; absent: none. */
  image?: string | undefined
}

/** The run of an agent: the process, and when the kernel started it, so that a reused pid is not taken for it. */
export interface Run {
  pid: number
  startTime: string
  /** The agent proves itself with it when it dials. */
  token: string
}

/** What is known of the last run; `run` while it may still live. */
export interface State {
  run: Run | null
  started: boolean
  exitCode: number | null
}

/** sun_path of Linux without its final NUL. */
const LONGEST_SOCKET_PATH_BYTES = 107

/** The folders of all sandboxes: `<root>/<id>/` with `home/` (the sandbox's files), its socket, and what is known of it. */
export class SandboxFolders {
  readonly root: string

  constructor(dataDir: string) {
    this.root = join(dataDir, 'local')
  }

  of(id: string): SandboxFolder {
    if (!isSandboxId(id)) throw new SandboxError('SANDBOX_NOT_FOUND', 'Sandbox not found')
    return new SandboxFolder(join(this.root, id))
  }

  /** Makes the root. Throws when sockets below it would have too long a path. */
  async open(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 })
    const longest = new SandboxFolder(join(this.root, 'x'.repeat(20))).socketPath
    if (Buffer.byteLength(longest) > LONGEST_SOCKET_PATH_BYTES) {
      throw new SandboxError(
        'ENGINE_UNAVAILABLE',
        `the path of the data folder is too long for sockets in it (${longest}); set a shorter one`,
      )
    }
  }

  async ids(): Promise<string[]> {
    return (await readdir(this.root)).filter(isSandboxId)
  }
}

export class SandboxFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  get home(): string {
    return join(this.path, 'home')
  }

  get socketPath(): string {
    return join(this.path, 'link.sock')
  }

  get logPath(): string {
    return join(this.path, 'agent.log')
  }

  async exists(): Promise<boolean> {
    return stat(join(this.path, 'identity.json')).then(
      () => true,
      () => false,
    )
  }

  /** SANDBOX_STATE_CONFLICT when it is there. */
  async create(identity: Identity): Promise<void> {
    await mkdir(this.path, { mode: 0o700 }).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
      throw new SandboxError('SANDBOX_STATE_CONFLICT', 'a sandbox with this id exists already', { cause: error })
    })
    await mkdir(this.home, { mode: 0o755 })
    await this.writeState({ run: null, started: false, exitCode: null })
    // Last: a folder without it is half-made.
    await this.#write('identity.json', identity)
  }

  /** null for a folder that is half-made, half-removed or not there. */
  async readIdentity(): Promise<Identity | null> {
    return (await this.#read('identity.json')) as Identity | null
  }

  async readState(): Promise<State> {
    return ((await this.#read('state.json')) as State | null) ?? { run: null, started: false, exitCode: null }
  }

  /** No-op when the folder was removed in the meantime. */
  async writeState(state: State): Promise<void> {
    await this.#write('state.json', state).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
  }

  /** The identity goes first, so that a removal that is cut off is not taken for a sandbox. Idempotent. */
  async remove(): Promise<void> {
    await rm(join(this.path, 'identity.json'), { force: true })
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 })
  }

  async #read(name: string): Promise<unknown> {
    try {
      return JSON.parse(await readFile(join(this.path, name), 'utf8'))
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null
      throw error
    }
  }

  async #write(name: string, value: object): Promise<void> {
    const path = join(this.path, name)
    await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600 })
    await rename(`${path}.new`, path)
  }
}

export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
