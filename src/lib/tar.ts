import { Readable, type Writable } from 'node:stream'
import { type Extract, extract, type Header, pack } from 'tar-stream'

type Entry = Extract extends AsyncIterable<infer Source> ? Source : never

export type TarType = 'file' | 'directory' | 'symlink' | 'fifo' | 'char_device' | 'block_device'

/** One entry as it passes by. Its bytes can be read until the next one is asked for. */
export interface TarEntry {
  /** As in the archive, without a trailing slash. */
  name: string
  type: TarType
  sizeBytes: number
  mode: number
  uid: number
  gid: number
  /** Unix milliseconds. */
  mtime: number
  linkname: string | null
  /** All of its content: check `sizeBytes` first. */
  bytes(): Promise<Buffer>
  /** The same as it comes. The walk goes on when it was read to its end. */
  stream(): Readable
}

/** An entry to be written. */
export interface NewTarEntry {
  name: string
  type: 'file' | 'directory'
  mode: number
  uid: number
  gid: number
  content?: Uint8Array
}

/** Walks an archive. Contents that nobody reads are passed over; leaving the loop early destroys the source. */
export async function* readTar(source: Readable): AsyncGenerator<TarEntry, void, undefined> {
  const archive = extract()
  source.on('error', (error) => archive.destroy(error))
  source.on('close', () => {
    if (!source.readableEnded) archive.destroy(new Error('the archive was cut'))
  })
  source.pipe(archive as unknown as Writable)
  try {
    for await (const entry of archive) {
      yield toTarEntry(entry)
      entry.resume()
    }
  } finally {
    source.destroy()
  }
}

function toTarEntry(entry: Entry): TarEntry {
  const { header } = entry
  return {
    name: header.name.replace(/\/+$/, ''),
    type: typeOf(header.type),
    sizeBytes: header.size,
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    mtime: header.mtime.getTime(),
    linkname: header.type === 'symlink' ? header.linkname : null,
    bytes: async () => {
      const chunks: Buffer[] = []
      for await (const chunk of entry) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks)
    },
    stream: () => Readable.from(entry as AsyncIterable<Buffer>, { objectMode: false }),
  }
}

function typeOf(type: Header['type']): TarType {
  switch (type) {
    case 'directory':
    case 'symlink':
    case 'fifo':
      return type
    case 'character-device':
      return 'char_device'
    case 'block-device':
      return 'block_device'
    default:
      return 'file'
  }
}

/** A small archive of entries that are in memory already. */
export function writeTar(entries: NewTarEntry[]): Readable {
  const archive = pack()
  const mtime = new Date()
  for (const { name, type, mode, uid, gid, content } of entries) {
    const header = { name, type, mode, uid, gid, mtime }
    if (type === 'directory') archive.entry(header)
    else archive.entry(header, content ?? new Uint8Array())
  }
  archive.finalize()
  return Readable.from(archive as AsyncIterable<Buffer>)
}
