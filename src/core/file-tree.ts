import type { FileAccess, FileOptions } from './file-access.ts'
import type { FileAttributes, FileEntry, GlobFound, GlobOptions, GrepFound, GrepOptions, WatchEvent } from './model.ts'
import { pathInside } from './paths.ts'

/** Folders and trees of a running sandbox. All with the rights of the user. */
export class FileTree {
  readonly #access: FileAccess

  constructor(parts: { access: FileAccess }) {
    this.#access = parts.access
  }

  /** No-op where the folder is there and `parents` is true. FILE_EXISTS. */
  async makeFolder(
    id: string,
    path: string,
    { mode, parents, ...options }: FileOptions & { mode?: number | undefined; parents?: boolean | undefined } = {},
  ): Promise<FileEntry> {
    return await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.mkdir(absolute, user, { signal, mode, parents: parents ?? true }),
    )
  }

  /** Within one file system at once. FILE_EXISTS without `overwrite`; a folder that is not empty is never replaced. */
  async move(
    id: string,
    from: string,
    to: string,
    { overwrite, ...options }: FileOptions & { overwrite?: boolean | undefined } = {},
  ): Promise<FileEntry> {
    using target = await this.#access.target(id, from, options)
    const { client, user, path, signal } = await this.#access.running(target, options)
    const destination = pathInside(target.record.cwd, to)
    return await client.move(path, destination, user, { signal, overwrite: overwrite ?? false })
  }

  /** A file, or a tree with its links as links. As `move`. */
  async copy(
    id: string,
    from: string,
    to: string,
    { overwrite, ...options }: FileOptions & { overwrite?: boolean | undefined } = {},
  ): Promise<FileEntry> {
    using target = await this.#access.target(id, from, options)
    const { client, user, path, signal } = await this.#access.running(target, options)
    const destination = pathInside(target.record.cwd, to)
    return await client.copy(path, destination, user, { signal, overwrite: overwrite ?? false })
  }

  /** Mode, owner and time of a file, or of all of a tree. PERMISSION_DENIED */
  async setAttributes(
    id: string,
    path: string,
    attributes: FileAttributes,
    options: FileOptions = {},
  ): Promise<FileEntry> {
    return await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.setAttributes(absolute, user, attributes, { signal }),
    )
  }

  /** Paths below `path` that match a pattern. Links to folders are not followed. */
  async glob(id: string, path: string, wanted: GlobOptions, options: FileOptions = {}): Promise<GlobFound> {
    return await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.glob(absolute, user, wanted, { signal }),
    )
  }

  /** Lines of text files below `path`, or of the one file that it is. */
  async grep(id: string, path: string, wanted: GrepOptions, options: FileOptions = {}): Promise<GrepFound> {
    return await this.#access.inRunning(id, path, options, ({ client, user, path: absolute, signal }) =>
      client.grep(absolute, user, wanted, { signal }),
    )
  }

  /**
   * Gives what happens below `path` to `onEvent`, which may slow it down, until nothing is left to watch: resolves with why. What
   * fails before `ready` has told nothing. Counts as use while it lasts.
   */
  async watch(
    id: string,
    path: string,
    { recursive, ...options }: FileOptions & { recursive: boolean },
    onEvent: (event: WatchEvent) => void | Promise<void>,
  ): Promise<string> {
    return await this.#access.inRunning(id, path, options, async ({ client, user, path: absolute, signal }) => {
      for await (const event of client.watch(absolute, user, { signal, recursive })) {
        if (event.type === 'end') return event.reason
        await onEvent(event)
      }
      return 'ended'
    })
  }
}
