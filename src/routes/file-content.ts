import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FileDeleted, FileDeleteQuery, FilePutQuery, FileQuery } from '../../schemas/file.ts'
import { FileInfo } from '../../schemas/filesystem.ts'
import { Ref, type Static } from '../../schemas/typebox.ts'
import type { ByteRange, CallOptions, FileCondition, FileEntry, OpenedFile } from '../core/model.ts'
import { type ErrorCode, isSandboxError, SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { conditionOf, digestOf, namesTag, quoted, rangeOf, wantedDigest } from '../http/conditional.ts'
import { callOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import { emptyBody, parseRawBodies } from '../http/raw-body.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { attachment, contentTypeOf } from './content-type.ts'
import { FILE, fileAnswer } from './file-answer.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

interface UserOptions extends CallOptions {
  user?: string | undefined
}

export interface FileContentRoutesOptions {
  contents: {
    stat(id: string, path: string, options: UserOptions): Promise<FileEntry>
    open(id: string, path: string, options: UserOptions & { range?: ByteRange | undefined }): Promise<OpenedFile>
    digest(
      id: string,
      path: string,
      algorithm: 'sha256' | 'sha512',
      options: UserOptions,
    ): Promise<{ digest: string; etag: string | null }>
    replace(
      id: string,
      path: string,
      body: Readable,
      options: UserOptions &
        FileCondition & {
          mode?: number | undefined
          owner?: string | undefined
          digest?: { algorithm: 'sha256' | 'sha512'; bytes: Buffer } | undefined
          sizeBytes?: number | undefined
        },
    ): Promise<FileEntry>
    remove(
      id: string,
      path: string,
      options: UserOptions & FileCondition & { recursive?: boolean | undefined },
    ): Promise<void>
  }
  memory: MemoryBudget
}

interface Target {
  id: string
  path: string
  options: UserOptions
}

/** A plugin of its own: here every body is a stream of bytes. */
export async function fileContentRoutes(app: TypedApp, { contents, memory }: FileContentRoutesOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  parseRawBodies(app)
  const url = '/sandboxes/:sandbox_id/files'

  app.head(url, { schema: lookAtFile }, async (request, reply) => {
    const { id, path, options } = targetOf(request, reply)
    const entry = await contents.stat(id, path, options)
    describeFile(reply, path, entry)
    reply.header('k2-file-type', entry.type)
    if (entry.type === 'file') reply.header('content-length', entry.sizeBytes)
    await addDigest(contents, { id, path, options }, request, reply)
    return reply.send()
  })

  app.get(url, { schema: readFile, exposeHeadRoute: false }, async (request, reply) => {
    const target = targetOf(request, reply)
    const file = await open(contents, target, request, reply)
    const { headers } = request
    if (headers['if-match'] !== undefined && !namesTag(headers['if-match'], file.etag)) {
      file.body.destroy()
      throw new SandboxError(
        'PRECONDITION_FAILED',
        `${target.path} is not the version that If-Match names; read it again`,
      )
    }
    describeFile(reply, target.path, file)
    if (headers['if-none-match'] !== undefined && namesTag(headers['if-none-match'], file.etag)) {
      file.body.destroy()
      return reply.code(304).send()
    }
    await addDigest(contents, target, request, reply).catch((error: unknown) => {
      file.body.destroy()
      throw error
    })
    reply.header('content-length', file.lengthBytes)
    if (file.partial) {
      const last = file.offset + file.lengthBytes - 1
      reply.code(206).header('content-range', `bytes ${file.offset}-${last}/${file.sizeBytes}`)
    }
    return reply.send(file.body)
  })

  app.put(url, { schema: writeFile, config: { rawBody: 'any type' } }, async (request, reply) => {
    const { id, path, options } = targetOf(request, reply)
    const { mode, owner } = request.query
    const length = request.headers['content-length']
    const body = (request.body as Readable | undefined) ?? emptyBody()
    const entry = await contents.replace(id, path, body, {
      ...options,
      ...callOptions(reply, memory),
      ...conditionOf(request.headers),
      mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
      owner,
      digest: digestOf(request.headers),
      sizeBytes: length === undefined && request.body !== undefined ? undefined : Number(length ?? 0),
    })
    if (entry.etag !== null) reply.header('etag', quoted(entry.etag))
    return fileAnswer(entry)
  })

  app.delete(url, { schema: deleteFile }, async (request, reply) => {
    const { id, path, options } = targetOf(request, reply)
    const { recursive } = request.query
    await contents.remove(id, path, { ...options, ...conditionOf(request.headers), recursive })
    return { path, status: 'deleted' as const }
  })
}

interface FileRequest {
  params: { sandbox_id: string }
  query: Static<typeof FileQuery>
}

function targetOf({ params, query }: FileRequest, reply: FastifyReply): Target {
  return { id: params.sandbox_id, path: query.path, options: { user: query.user, signal: clientGone(reply) } }
}

/** What the request asks for of it: a range counts only for the version that If-Range names. */
async function open(
  contents: FileContentRoutesOptions['contents'],
  { id, path, options }: Target,
  { headers }: Pick<FastifyRequest, 'headers'>,
  reply: FastifyReply,
): Promise<OpenedFile> {
  let range = rangeOf(headers)
  const ifRange = headers['if-range']
  if (range && typeof ifRange === 'string') {
    const { etag } = await contents.stat(id, path, options)
    if (etag === null || ifRange !== quoted(etag)) range = undefined
  }
  try {
    return await contents.open(id, path, { ...options, range })
  } catch (error) {
    if (isSandboxError(error, 'RANGE_NOT_SATISFIABLE')) {
      const { sizeBytes } = await contents.stat(id, path, options)
      reply.header('content-range', `bytes */${sizeBytes}`)
    }
    throw error
  }
}

function describeFile(
  reply: FastifyReply,
  path: string,
  { etag, mtime, mode }: Pick<OpenedFile, 'etag' | 'mtime' | 'mode'>,
): void {
  reply.type(contentTypeOf(path)).headers({
    'accept-ranges': 'bytes',
    'cache-control': 'no-cache',
    'content-disposition': attachment(posix.basename(path)),
    'content-security-policy': "sandbox; default-src 'none'",
    ...(etag !== null && { etag: quoted(etag) }),
    ...(mtime !== null && { 'last-modified': new Date(mtime).toUTCString() }),
    ...(mode !== null && { 'k2-file-mode': mode.toString(8).padStart(4, '0') }),
  })
}

async function addDigest(
  contents: FileContentRoutesOptions['contents'],
  { id, path, options }: Target,
  { headers }: Pick<FastifyRequest, 'headers'>,
  reply: FastifyReply,
): Promise<void> {
  const wanted = wantedDigest(headers)
  if (wanted === null) return
  const { digest } = await contents.digest(id, path, wanted.algorithm, options)
  reply.header('repr-digest', `${wanted.name}=:${digest}:`)
}

const FILE_ERRORS: ErrorCode[] = [
  ...INSIDE_ERRORS,
  'FILE_NOT_FOUND',
  'PATH_IS_DIRECTORY',
  'PATH_NOT_DIRECTORY',
  'PATH_NOT_REGULAR_FILE',
  'PERMISSION_DENIED',
  'USER_NOT_FOUND',
]

const BYTES = { type: 'application/octet-stream', description: 'The content of the file' }

const lookAtFile = operation({
  operationId: 'headFile',
  tag: 'files',
  summary: 'Look at a file by its headers',
  description:
    'The headers that a read would have: `ETag`, `Last-Modified`, `Content-Length`, `k2-file-mode` (octal), and `k2-file-type`, for folders too. With `Want-Repr-Digest: sha-256=1` also the digest of the content (RFC 9530). Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: FileQuery,
  rawAnswer: BYTES,
  errors: FILE_ERRORS,
})

const readFile = operation({
  operationId: 'readFileBytes',
  tag: 'files',
  summary: 'Read a file as bytes',
  description:
    'Of any size, as it is. Takes `Range` (one range), `If-Range`, `If-None-Match` (304), `If-Match` and `Want-Repr-Digest`. It comes as a download: `Content-Type` is by the name, and bytes for all that a browser would run. A file that shrinks while it is read cuts the answer. Of a stopped sandbox always the whole. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: FileQuery,
  rawAnswer: BYTES,
  errors: [...FILE_ERRORS, 'PRECONDITION_FAILED', 'RANGE_NOT_SATISFIABLE'],
})

const writeFile = operation({
  operationId: 'writeFileBytes',
  tag: 'files',
  summary: 'Write a file as bytes',
  description:
    'The body is the content, of any type and up to K2_MAX_UPLOAD_MB, passed on while it arrives. The file is replaced at once when all of it is there, or not at all; folders above it are made. `If-Match: "<etag>"` writes only over that version, `If-None-Match: *` only where there is none (412 otherwise). `Repr-Digest: sha-256=:<base64>:` writes only what has that digest. Into a stopped sandbox at most K2_MAX_FILE_MB, without `mode` and `owner`. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: FilePutQuery,
  rawBody: 'The content of the file',
  answer: Ref(FileInfo),
  answerExamples: { written: FILE },
  errors: [
    ...FILE_ERRORS,
    'PRECONDITION_FAILED',
    'DIGEST_MISMATCH',
    'FILE_TOO_LARGE',
    'FILE_EXISTS',
    'PATH_REFUSED',
    'NO_SPACE_IN_SANDBOX',
    'NOT_SUPPORTED_BY_ENGINE',
    'SERVER_BUSY',
  ],
})

const deleteFile = operation({
  operationId: 'deleteFile',
  tag: 'files',
  summary: 'Delete a file',
  description:
    'A file, a symlink itself, an empty folder, or with `recursive` a folder with all in it. `If-Match: "<etag>"` deletes only that version. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: FileDeleteQuery,
  answer: Ref(FileDeleted),
  answerExamples: { deleted: { path: 'notes.txt', status: 'deleted' } },
  errors: [...FILE_ERRORS, 'PRECONDITION_FAILED', 'PATH_REFUSED'],
})
