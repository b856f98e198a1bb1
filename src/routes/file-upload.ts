import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import { FilesWritten, UploadQuery } from '../../schemas/file.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, FileEntry } from '../core/model.ts'
import { SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { parseRawBodies } from '../http/raw-body.ts'
import { heard } from '../lib/checked-body.ts'
import { FILE, fileAnswer } from './file-answer.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface FileUploadRoutesOptions {
  contents: {
    replace(
      id: string,
      path: string,
      body: Readable,
      options: CallOptions & { user?: string | undefined },
    ): Promise<FileEntry>
  }
}

const MOST_FILES = 10_000

/** A plugin of its own: here bodies are forms. */
export async function fileUploadRoutes(app: TypedApp, { contents }: FileUploadRoutesOptions): Promise<void> {
  app.removeAllContentTypeParsers()
  // What is no form gets our sentence instead of the framework's.
  parseRawBodies(app)
  await app.register(multipart, {
    preservePath: true,
    throwFileSizeLimit: false,
    limits: { files: MOST_FILES, fileSize: Number.POSITIVE_INFINITY, fields: 100, fieldSize: 64 * 1024 },
  })
  const route = { schema: uploadFiles, config: { rawBody: 'any type' as const } }
  app.post('/sandboxes/:sandbox_id/files', route, async (request, reply) => {
    if (!request.isMultipart())
      throw new SandboxError(
        'UNSUPPORTED_MEDIA_TYPE',
        'send the files as multipart/form-data, each part with a filename; one file alone goes by PUT',
      )
    const { path, user } = request.query
    const options = { user, signal: clientGone(reply) }
    const files: FileEntry[] = []
    for await (const { file, filename } of request.files()) {
      heard(file)
      const target = path ? posix.join(path, filename) : filename
      try {
        files.push(await contents.replace(request.params.sandbox_id, target, file, options))
      } catch (error) {
        file.resume()
        throw saying(error, target, files.length)
      }
    }
    return { files: files.map(fileAnswer) }
  })
}

/** Which one it was: of a form that fails in the middle some files are there. */
function saying(thrown: unknown, path: string, written: number): SandboxError {
  const error = SandboxError.from(thrown)
  const message = `${path.slice(0, 200)}: ${error.message} (files before it that were written: ${written})`
  return new SandboxError(error.code, message, { cause: error, details: error.details })
}

const uploadFiles = operation({
  operationId: 'uploadFiles',
  tag: 'files',
  summary: 'Write many files at once',
  description:
    'A form (multipart/form-data): each part with a filename is written to that path, as by PUT, while it arrives; fields are passed over. The first failure ends it; its sentence says which file it was, and those before it stay. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: UploadQuery,
  formBody: 'Files, each with its path as filename',
  answer: Ref(FilesWritten),
  answerExamples: { written: { files: [FILE] } },
  errors: [
    ...INSIDE_ERRORS,
    'PATH_IS_DIRECTORY',
    'PATH_NOT_DIRECTORY',
    'PATH_NOT_REGULAR_FILE',
    'PATH_REFUSED',
    'PERMISSION_DENIED',
    'USER_NOT_FOUND',
    'FILE_TOO_LARGE',
    'FILE_EXISTS',
    'NO_SPACE_IN_SANDBOX',
  ],
})
