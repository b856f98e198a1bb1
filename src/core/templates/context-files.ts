import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { invalidAt } from './dockerfile-lines.ts'

/** A file that was sent with a build. */
export interface ContextFile {
  /** Relative, with `/`, without `.` and `..`. */
  path: string
  /** Base64. */
  content: string
  mode: number
}

/** A file and where it goes below the target of a COPY; empty: it is the target itself, or in it where that is a folder. */
export interface CopiedFile {
  name: string
  content: string
  mode: number
}

export interface Copied {
  files: CopiedFile[]
  /** The target is a folder, there already or not. */
  intoFolder: boolean
}

/** What the sources of a COPY stand for. DOCKERFILE_INVALID when one stands for nothing. */
export function copiedFiles(files: readonly ContextFile[], sources: readonly string[], line: number | null): Copied {
  const found = sources.map((source) => matching(files, source, line))
  const all = found.flatMap(({ files: some }) => some)
  return { files: all, intoFolder: all.length > 1 || found.some(({ isFolder }) => isFolder) }
}

/** Of names, modes and contents: the same files have the same one. */
export function digestOf(files: readonly CopiedFile[]): string {
  const hash = createHash('sha256')
  for (const { name, content, mode } of files) hash.update(JSON.stringify([name, mode, content]))
  return hash.digest('hex')
}

function matching(
  files: readonly ContextFile[],
  source: string,
  line: number | null,
): { files: CopiedFile[]; isFolder: boolean } {
  const wanted = posix.normalize(`/${source}`).replace(/\/$/, '').slice(1)
  if (/(^|\/)\.\.(\/|$)/.test(source))
    throw invalidAt(line, `COPY ${source}: sources lie among the files that are sent; leave .. out`)
  if (wanted === '') return { files: files.map((file) => ({ ...file, name: file.path })), isFolder: true }
  const depth = wanted.split('/').length
  const pattern = globOf(wanted)
  const taken: CopiedFile[] = []
  let isFolder = false
  for (const { path, content, mode } of files) {
    const parts = path.split('/')
    if (!pattern.test(parts.slice(0, depth).join('/'))) continue
    if (parts.length === depth) taken.push({ name: parts.at(-1) ?? path, content, mode })
    else {
      taken.push({ name: parts.slice(depth).join('/'), content, mode })
      isFolder = true
    }
  }
  if (taken.length > 0) return { files: taken, isFolder }
  const some = files.slice(0, 5).map(({ path }) => path)
  const sent = some.length === 0 ? 'none was sent' : `sent were ${some.join(', ')}${files.length > 5 ? ', …' : ''}`
  throw invalidAt(line, `COPY ${source}: there is no such file among those of the build; ${sent}`)
}

/** `*`, `?` and `[…]` as in file names; none of them takes a slash. */
function globOf(pattern: string): RegExp {
  const parts = pattern.match(/\[[^\]]+\]|[\s\S]/g) ?? []
  const source = parts.map((part) => {
    if (part === '*') return '[^/]*'
    if (part === '?') return '[^/]'
    if (part.length > 1 && part.startsWith('[')) return `[${part.slice(1, -1).replace(/\\/g, '\\\\')}]`
    return part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  })
  try {
    return new RegExp(`^${source.join('')}$`)
  } catch {
    return new RegExp(`^${pattern.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}$`)
  }
}
