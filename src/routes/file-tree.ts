import {
  FileAttributesRequest,
  FileCopyRequest,
  FileMatches,
  FileMoveRequest,
  FileStatQuery,
  FolderCreateRequest,
  GlobQuery,
  GrepRequest,
  GrepResponse,
} from '../../schemas/file.ts'
import { FileInfo } from '../../schemas/filesystem.ts'
import { Ref } from '../../schemas/typebox.ts'
import type {
  CallOptions,
  FileAttributes,
  FileEntry,
  GlobFound,
  GlobOptions,
  GrepFound,
  GrepOptions,
} from '../core/model.ts'
import type { ErrorCode } from '../errors.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { FILE, fileAnswer } from './file-answer.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

interface UserOptions extends CallOptions {
  user?: string | undefined
}
type MoveOptions = UserOptions & { overwrite?: boolean | undefined }

export interface FileTreeRoutesOptions {
  contents: {
    stat(id: string, path: string, options: UserOptions & { follow?: boolean | undefined }): Promise<FileEntry>
  }
  tree: {
    makeFolder(
      id: string,
      path: string,
      options: UserOptions & { mode?: number | undefined; parents?: boolean | undefined },
    ): Promise<FileEntry>
    move(id: string, from: string, to: string, options: MoveOptions): Promise<FileEntry>
    copy(id: string, from: string, to: string, options: MoveOptions): Promise<FileEntry>
    setAttributes(id: string, path: string, attributes: FileAttributes, options: UserOptions): Promise<FileEntry>
    glob(id: string, path: string, wanted: GlobOptions, options: UserOptions): Promise<GlobFound>
    grep(id: string, path: string, wanted: GrepOptions, options: UserOptions): Promise<GrepFound>
  }
}

const FILES = '/sandboxes/:sandbox_id/files'
const DEFAULT_LIMIT = 1000
/** The sandbox's cwd. */
const HERE = '.'

export async function fileTreeRoutes(app: TypedApp, { contents, tree }: FileTreeRoutesOptions): Promise<void> {
  app.get(`${FILES}/stat`, { schema: statFile }, async ({ params, query }, reply) => {
    const { path, user, follow } = query
    return fileAnswer(await contents.stat(params.sandbox_id, path, { user, follow, signal: clientGone(reply) }))
  })

  app.post(`${FILES}/mkdir`, { schema: makeFolder }, async ({ params, body }, reply) => {
    const { path, user, mode, parents } = body
    const options = { user, mode: octal(mode), parents, signal: clientGone(reply) }
    return fileAnswer(await tree.makeFolder(params.sandbox_id, path, options))
  })

  app.post(`${FILES}/move`, { schema: moveFile }, async ({ params, body }, reply) => {
    const { from, to, ...options } = body
    return fileAnswer(await tree.move(params.sandbox_id, from, to, { ...options, signal: clientGone(reply) }))
  })

  app.post(`${FILES}/copy`, { schema: copyFile }, async ({ params, body }, reply) => {
    const { from, to, ...options } = body
    return fileAnswer(await tree.copy(params.sandbox_id, from, to, { ...options, signal: clientGone(reply) }))
  })

  app.post(`${FILES}/attributes`, { schema: setAttributes }, async ({ params, body }, reply) => {
    const { path, user, mode, owner, mtime, recursive } = body
    const attributes = {
      mode: octal(mode),
      owner,
      mtime: mtime === undefined ? undefined : Math.round(mtime * 1000),
      recursive,
    }
    return fileAnswer(
      await tree.setAttributes(params.sandbox_id, path, attributes, { user, signal: clientGone(reply) }),
    )
  })

  app.get(`${FILES}/glob`, { schema: globFiles }, async ({ params, query }, reply): Promise<FileMatches> => {
    const { pattern, path, user, hidden = false, limit = DEFAULT_LIMIT } = query
    const wanted = { pattern, hidden, limit }
    const found = await tree.glob(params.sandbox_id, path || HERE, wanted, { user, signal: clientGone(reply) })
    return { files: found.entries.map(fileAnswer), truncated: found.truncated, skipped: found.skipped }
  })

  app.post(`${FILES}/grep`, { schema: grepFiles }, async ({ params, body }, reply) => {
    const wanted: GrepOptions = {
      pattern: body.pattern,
      literal: body.literal ?? false,
      ignoreCase: body.ignore_case ?? false,
      include: body.include ?? [],
      exclude: body.exclude ?? [],
      hidden: body.hidden ?? false,
      limit: body.limit ?? DEFAULT_LIMIT,
      context: body.context ?? 0,
    }
    const options = { user: body.user, signal: clientGone(reply) }
    return grepAnswer(await tree.grep(params.sandbox_id, body.path || HERE, wanted, options))
  })
}

function octal(mode: string | undefined): number | undefined {
  return mode === undefined ? undefined : Number.parseInt(mode, 8)
}

function grepAnswer(found: GrepFound): GrepResponse {
  return {
    matches: found.matches.map((match) => ({
      path: match.path,
      path_base64: match.pathBase64,
      line: match.line,
      column: match.column,
      text: match.text,
      text_truncated: match.textTruncated,
      before: match.before,
      after: match.after,
    })),
    truncated: found.truncated,
    files_searched: found.filesSearched,
    files_skipped: found.filesSkipped,
  }
}

const TREE_ERRORS: ErrorCode[] = [
  ...INSIDE_ERRORS,
  'FILE_NOT_FOUND',
  'PATH_NOT_DIRECTORY',
  'PERMISSION_DENIED',
  'USER_NOT_FOUND',
]
const CHANGE_ERRORS: ErrorCode[] = [...TREE_ERRORS, 'PATH_REFUSED', 'FILE_EXISTS', 'NO_SPACE_IN_SANDBOX']
const FOLDER: FileInfo = { ...FILE, name: 'src', path: '/home/user/src', is_dir: true, type: 'directory', mode: 0o755 }

const statFile = operation({
  operationId: 'statFile',
  tag: 'files',
  summary: 'Look at a file',
  description:
    'What a path names: kind, size, mode, owner, time. Of a stopped sandbox too. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: FileStatQuery,
  answer: Ref(FileInfo),
  answerExamples: { file: FILE, folder: FOLDER },
  errors: TREE_ERRORS,
})

const makeFolder = operation({
  operationId: 'makeFolder',
  tag: 'files',
  summary: 'Make a folder',
  description:
    'With the folders above it, owned by the user. One that is there already is fine unless `parents` is false. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(FolderCreateRequest),
  requestExamples: { nested: { path: 'src/lib', mode: '755' } },
  answer: Ref(FileInfo),
  answerExamples: { made: FOLDER },
  errors: CHANGE_ERRORS,
})

const moveFile = operation({
  operationId: 'moveFile',
  tag: 'files',
  summary: 'Move or rename',
  description:
    'A file or a folder with all in it. Within one file system at once, else by a copy. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(FileMoveRequest),
  requestExamples: { rename: { from: 'draft.txt', to: 'notes.txt', overwrite: true } },
  answer: Ref(FileInfo),
  answerExamples: { moved: FILE },
  errors: CHANGE_ERRORS,
})

const copyFile = operation({
  operationId: 'copyFile',
  tag: 'files',
  summary: 'Copy',
  description:
    'A file, or a folder with all in it. Modes and times are kept, symlinks stay links, and devices, sockets and FIFOs are refused. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(FileCopyRequest),
  requestExamples: { tree: { from: 'src', to: 'backup/src' } },
  answer: Ref(FileInfo),
  answerExamples: { copied: FOLDER },
  errors: [...CHANGE_ERRORS, 'PATH_NOT_REGULAR_FILE', 'FILE_TOO_LARGE'],
})

const setAttributes = operation({
  operationId: 'setFileAttributes',
  tag: 'files',
  summary: 'Change mode, owner or time',
  description: 'As chmod, chown and touch. What is absent stays as it is. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(FileAttributesRequest),
  requestExamples: {
    executable: { path: 'run.sh', mode: '755' },
    mine: { path: 'data', owner: 'user:user', user: 'root', recursive: true },
  },
  answer: Ref(FileInfo),
  answerExamples: { changed: { ...FILE, mode: 0o755 } },
  errors: CHANGE_ERRORS,
})

const globFiles = operation({
  operationId: 'globFiles',
  tag: 'files',
  summary: 'Find files by a pattern',
  description:
    'Links to folders are not followed; folders that the user may not read are passed over and counted. Counts as use of the sandbox.',
  params: SandboxParams,
  querystring: GlobQuery,
  answer: Ref(FileMatches),
  answerExamples: { found: { files: [FILE], truncated: false, skipped: 0 } },
  errors: TREE_ERRORS,
})

const grepFiles = operation({
  operationId: 'grepFiles',
  tag: 'files',
  summary: 'Find lines by a regular expression',
  description:
    'In one file, or in all text files below a folder. Takes linear time whatever the expression. Counts as use of the sandbox.',
  params: SandboxParams,
  body: Ref(GrepRequest),
  requestExamples: { todo: { pattern: 'TODO|FIXME', path: 'src', include: ['*.ts'] } },
  answer: Ref(GrepResponse),
  answerExamples: {
    found: {
      matches: [
        {
          path: '/home/user/src/main.ts',
          path_base64: null,
          line: 12,
          column: 4,
          text: '// TODO: close it',
          text_truncated: false,
          before: [],
          after: [],
        },
      ],
      truncated: false,
      files_searched: 3,
      files_skipped: 0,
    },
  },
  errors: [...TREE_ERRORS, 'FILE_TOO_LARGE'],
})
