import { isUtf8 } from 'node:buffer'
import { FileSystemAction, FileSystemResponse } from '../../schemas/filesystem.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, FileEntry } from '../core/model.ts'
import { SandboxError } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { callOptions } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { decodeContent } from './decode-content.ts'
import { encodeBytes } from './execution-answer.ts'
import { FILE, fileAnswer } from './file-answer.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

interface FileCallOptions extends CallOptions {
  user?: string | undefined
}

export interface FilesystemRoutesOptions {
  files: {
    list(id: string, path: string | undefined, options: FileCallOptions): Promise<FileEntry[]>
    read(id: string, path: string, options: FileCallOptions): Promise<Uint8Array>
    write(id: string, path: string, content: Uint8Array, options: FileCallOptions): Promise<void>
    remove(id: string, path: string, options: FileCallOptions): Promise<void>
  }
  fileBodyLimitBytes: number
  memory: MemoryBudget
}

export async function filesystemRoutes(app: TypedApp, options: FilesystemRoutesOptions): Promise<void> {
  const { files, fileBodyLimitBytes, memory } = options
  const route = { schema: accessFiles, bodyLimit: fileBodyLimitBytes }
  app.post('/sandboxes/:sandbox_id/filesystem', route, async ({ params, body }, reply): Promise<FileSystemResponse> => {
    const id = params.sandbox_id
    const call = { ...callOptions(reply, memory), user: body.user }
    switch (body.action) {
      case 'list': {
        const entries = await files.list(id, body.path || undefined, call)
        return { ...NOTHING, files: entries.map(fileAnswer) }
      }
      case 'read':
        return readAnswer(await files.read(id, requirePath(body), call), body.encoding ?? 'utf-8')
      case 'write': {
        if (!body.path) throw new SandboxError('PATH_REQUIRED', 'Path and content are required')
        if (body.content === undefined) throw new SandboxError('INVALID_REQUEST', 'Path and content are required')
        await files.write(id, body.path, decodeContent(body.content, body.encoding, 'content'), call)
        return { ...NOTHING, message: 'File written successfully' }
      }
      case 'delete':
        await files.remove(id, requirePath(body), call)
        return { ...NOTHING, message: 'File deleted successfully' }
    }
  })
}

const NOTHING: FileSystemResponse = { files: null, content: null, message: null, encoding: null }

function requirePath({ path }: FileSystemAction): string {
  if (!path) throw new SandboxError('PATH_REQUIRED', 'Path is required')
  return path
}

function readAnswer(bytes: Uint8Array, encoding: 'utf-8' | 'base64'): FileSystemResponse {
  if (encoding === 'utf-8' && !isUtf8(bytes)) {
    throw new SandboxError('FILE_NOT_TEXT', 'The file is not UTF-8 text; read it with encoding base64')
  }
  return { ...NOTHING, content: encodeBytes(bytes, encoding), encoding }
}

const accessFiles = operation({
  operationId: 'accessFiles',
  tag: 'files',
  summary: 'List, read, write and delete files',
  description:
    "Works with the rights of the sandbox's user (or of `user`), in running and in stopped sandboxes. A write replaces the file at once or not at all and makes the folders above it. Reading bytes that are not text needs `encoding: base64`. Counts as use of the sandbox.",
  params: SandboxParams,
  body: Ref(FileSystemAction),
  requestExamples: {
    list: { action: 'list', path: '/home/user' },
    read: { action: 'read', path: 'notes.txt' },
    write: { action: 'write', path: 'notes.txt', content: 'hello\n' },
    write_bytes: { action: 'write', path: 'pixel.bin', content: 'AP8A/w==', encoding: 'base64' },
    delete: { action: 'delete', path: 'notes.txt' },
  },
  answer: Ref(FileSystemResponse),
  answerExamples: {
    list: { ...NOTHING, files: [FILE] },
    read: { ...NOTHING, content: 'hello\n', encoding: 'utf-8' },
    write: { ...NOTHING, message: 'File written successfully' },
    delete: { ...NOTHING, message: 'File deleted successfully' },
  },
  errors: [
    ...INSIDE_ERRORS,
    'UNSUPPORTED_ACTION',
    'PATH_REQUIRED',
    'FILE_NOT_FOUND',
    'PATH_IS_DIRECTORY',
    'PATH_NOT_DIRECTORY',
    'PATH_NOT_REGULAR_FILE',
    'PATH_REFUSED',
    'FILE_NOT_TEXT',
    'FILE_TOO_LARGE',
    'FILE_EXISTS',
    'ARCHIVE_UNSAFE',
    'USER_NOT_FOUND',
    'PERMISSION_DENIED',
    'NO_SPACE_IN_SANDBOX',
    'NOT_SUPPORTED_BY_ENGINE',
    'DISK_FULL',
  ],
})
