import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { ArchiveReadQuery, ArchiveUnpacked, ArchiveWriteQuery } from '../../schemas/file.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions } from '../core/model.ts'
import { type ErrorCode, SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { emptyBody, parseRawBodies } from '../http/raw-body.ts'
import { type ArchiveFormat, compress, decompress, detectFormat } from '../lib/archive-format.ts'
import { attachment } from './content-type.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

interface UserOptions extends CallOptions {
  user?: string | undefined
}

export interface ArchiveRoutesOptions {
  archives: {
    pack(id: string, path: string, options: UserOptions): Promise<Readable>
    unpack(
      id: string,
      path: string,
      tar: Readable,
      options: UserOptions,
    ): Promise<{ entries: number; sizeBytes: number }>
  }
}

const MEDIA_TYPES: Record<ArchiveFormat, string> = {
  tar: 'application/x-tar',
  'tar.gz': 'application/gzip',
  'tar.zst': 'application/zstd',
}

/** A plugin of its own: here every body is a stream of bytes. */
export async function archiveRoutes(app: TypedApp, { archives }: ArchiveRoutesOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  parseRawBodies(app)
  const url = '/sandboxes/:sandbox_id/archive'

  app.get(url, { schema: readArchive, exposeHeadRoute: false }, async ({ params, query }, reply) => {
    const { path, user, format = 'tar' } = query
    const tar = await archives.pack(params.sandbox_id, path, { user, signal: clientGone(reply) })
    reply.type(MEDIA_TYPES[format]).header('content-disposition', attachment(`${nameOf(path)}.${format}`))
    return reply.send(compress(tar, format))
  })

  app.put(url, { schema: writeArchive, config: { rawBody: 'any type' } }, async (request, reply) => {
    const { path, user, format } = request.query
    const body = (request.body as Readable | undefined) ?? emptyBody()
    const found = format ? { format, archive: body } : await detectFormat(body)
    const tar = decompress(found.archive, found.format, { broken, bomb })
    const options = { user, signal: clientGone(reply) }
    const { entries, sizeBytes } = await archives.unpack(request.params.sandbox_id, path, tar, options)
    return { entries, bytes: sizeBytes }
  })
}

function nameOf(path: string): string {
  const name = posix.basename(path)
  return name === '' || name === '.' || name === '..' ? 'files' : name
}

function broken(cause: Error): SandboxError {
  return new SandboxError(
    'ARCHIVE_INVALID',
    'the archive is cut or damaged, or has more than one zstd frame: it can not be decompressed',
    { cause },
  )
}

function bomb(): SandboxError {
  return new SandboxError(
    'ARCHIVE_UNSAFE',
    'the archive becomes more than 200 times as large; send what is in it uncompressed if that is meant',
  )
}

const ARCHIVE_ERRORS: ErrorCode[] = [
  ...INSIDE_ERRORS,
  'FILE_NOT_FOUND',
  'PATH_NOT_DIRECTORY',
  'PERMISSION_DENIED',
  'USER_NOT_FOUND',
]

const readArchive = operation({
  operationId: 'readArchive',
  tag: 'files',
  summary: 'Read a file or folder as an archive',
  description:
    'A tar of the folder, with names relative to it, or of the one file, made while it is sent: `curl … | tar x`. An answer that fails in the middle is cut. Files that the user may not read are left out with their folders. Of a stopped sandbox as its engine packs it. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: ArchiveReadQuery,
  rawAnswer: { type: 'application/octet-stream', description: 'The archive, in `format`, under its own media type' },
  errors: ARCHIVE_ERRORS,
})

const writeArchive = operation({
  operationId: 'writeArchive',
  tag: 'files',
  summary: 'Unpack an archive',
  description:
    "The body is a tar, tar.gz or tar.zst: `tar c … | curl -T -`. It is unpacked while it arrives, with the user's rights, below `path`, which is made where it is missing. Entries that would lead out of it (by `..`, an absolute name or a link), devices and FIFOs are refused, and so are archives that become more than 200 times as large; what came before such an entry stays. Set-user-id bits are dropped. Counts as use of the sandbox.",
  params: SandboxParams,
  querystring: ArchiveWriteQuery,
  rawBody: 'The archive',
  answer: Ref(ArchiveUnpacked),
  answerExamples: { unpacked: { entries: 12, bytes: 48_210 } },
  errors: [
    ...ARCHIVE_ERRORS,
    'ARCHIVE_UNSAFE',
    'ARCHIVE_INVALID',
    'FILE_TOO_LARGE',
    'FILE_EXISTS',
    'PATH_REFUSED',
    'NO_SPACE_IN_SANDBOX',
  ],
})
