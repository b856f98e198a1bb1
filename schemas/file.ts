import { path, user } from './common.ts'
import { FileInfo } from './filesystem.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const WHOSE = "With whose rights. Absent: the sandbox's user."
const filePath = (what: string) => path(`${what}; not starting with \`/\`: below the sandbox's cwd. Without NUL.`)
const mode = () =>
  Type.String({
    pattern: '^0?[0-7]{3,4}$',
    description: 'Permission bits in octal, as chmod takes them: `644`, `0755`, `1777`.',
  })
const owner = () =>
  Type.String({
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$',
    description: 'Owner, with a group if wanted: `1000`, `user:user`. Only root may give files away: `user=root`.',
  })
const recursive = (what: string) => Type.Optional(Type.Boolean({ description: what }))
const overwrite = () =>
  Type.Optional(
    Type.Boolean({ description: 'A file that is at the destination is replaced. Absent or false: an error.' }),
  )

const Target = { path: filePath('The file'), user: Type.Optional(user(WHOSE)) }

export const FileQuery = Type.Object(Target, { additionalProperties: false })

export const FilePutQuery = Type.Object(
  { ...Target, mode: Type.Optional(mode()), owner: Type.Optional(owner()) },
  { additionalProperties: false },
)

export const FileDeleteQuery = Type.Object(
  { ...Target, recursive: recursive('A folder goes with all in it. Absent or false: only when it is empty.') },
  { additionalProperties: false },
)

export const FileStatQuery = Type.Object(
  {
    ...Target,
    follow: Type.Optional(Type.Boolean({ description: 'false: a symlink itself. Absent or true: what it points to.' })),
  },
  { additionalProperties: false },
)

export const FolderCreateRequest = Type.Object(
  {
    path: filePath('The folder'),
    user: Type.Optional(user(WHOSE)),
    mode: Type.Optional(mode()),
    parents: Type.Optional(
      Type.Boolean({
        description: 'Missing folders above it are made too, and one that is there is fine. Default true.',
      }),
    ),
  },
  { $id: 'FolderCreateRequest', description: 'A folder to make.' },
)
export type FolderCreateRequest = Static<typeof FolderCreateRequest>

export const FileMoveRequest = Type.Object(
  {
    from: filePath('What is moved'),
    to: filePath('Its new path'),
    user: Type.Optional(user(WHOSE)),
    overwrite: overwrite(),
  },
  { $id: 'FileMoveRequest', description: 'A file or folder to move or rename.' },
)
export type FileMoveRequest = Static<typeof FileMoveRequest>

export const FileCopyRequest = Type.Object(
  {
    from: filePath('What is copied'),
    to: filePath('The path of the copy'),
    user: Type.Optional(user(WHOSE)),
    overwrite: overwrite(),
  },
  { $id: 'FileCopyRequest', description: 'A file, or a folder with all in it, to copy. Symlinks stay links.' },
)
export type FileCopyRequest = Static<typeof FileCopyRequest>

export const FileAttributesRequest = Type.Object(
  {
    path: filePath('The file or folder'),
    user: Type.Optional(user(WHOSE)),
    mode: Type.Optional(mode()),
    owner: Type.Optional(owner()),
    mtime: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 253_402_300_799,
        description: 'When its content is said to have changed, in unix seconds.',
      }),
    ),
    recursive: recursive('Of all below it too; symlinks are not followed.'),
  },
  { $id: 'FileAttributesRequest', description: 'What to change of a file; what is absent stays.' },
)
export type FileAttributesRequest = Static<typeof FileAttributesRequest>

const pattern = (description: string) =>
  Type.String({ pattern: '^[^\\u0000]+$', 'x-max-bytes': 4096, description: `${description} At most 4,096 bytes.` })

export const GlobQuery = Type.Object(
  {
    pattern: pattern('`*`, `?`, `[a-z]`, `{a,b}`, and `**` for any folders: `src/**/*.ts`.'),
    path: Type.Optional(path("Folder that the pattern begins in. Absent: the sandbox's cwd.")),
    user: Type.Optional(user(WHOSE)),
    hidden: Type.Optional(Type.Boolean({ description: 'Wildcards match names that begin with a dot, too.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: 'At most so many. Absent: 1,000.' })),
  },
  { additionalProperties: false },
)

export const FileMatches = Type.Object(
  {
    files: Type.Array(Ref(FileInfo), { description: 'What matched, by path.' }),
    truncated: Type.Boolean({ description: 'There is more than `limit`, or more than is looked through.' }),
    skipped: Type.Integer({ description: 'Folders that the user may not read.' }),
  },
  { $id: 'FileMatches', description: 'Files that a pattern matches.' },
)
export type FileMatches = Static<typeof FileMatches>

const globs = (description: string) => Type.Array(pattern('A glob: `*.ts`, `src/**`.'), { maxItems: 32, description })

export const GrepRequest = Type.Object(
  {
    pattern: pattern('Regular expression (RE2: no backreferences), or plain text with `literal`.'),
    path: Type.Optional(path("File or folder that is searched. Absent: the sandbox's cwd.")),
    user: Type.Optional(user(WHOSE)),
    literal: Type.Optional(Type.Boolean({ description: '`pattern` is plain text.' })),
    ignore_case: Type.Optional(Type.Boolean({ description: 'Upper and lower case are the same.' })),
    include: Type.Optional(globs('Only files that one of these matches.')),
    exclude: Type.Optional(globs('No files or folders that one of these matches.')),
    hidden: Type.Optional(Type.Boolean({ description: 'Names that begin with a dot are searched, too.' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'At most so many matches. Absent: 1,000.' }),
    ),
    context: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 20, description: 'Lines before and after each match. Absent: 0.' }),
    ),
  },
  {
    $id: 'GrepRequest',
    description: 'Text to look for in a tree. Binary files and those over 64 MiB are passed over.',
  },
)
export type GrepRequest = Static<typeof GrepRequest>

const GrepMatch = Type.Object(
  {
    path: Type.String({ description: 'Absolute; bytes that are not UTF-8 replaced.' }),
    path_base64: Nullable(Type.String(), { description: "The path's bytes when they are not UTF-8, else null." }),
    line: Type.Integer({ description: 'Line number, from 1.' }),
    column: Type.Integer({ description: 'Byte of the line, from 1.' }),
    text: Type.String({ description: 'The line without its end; of a very long one the part around the match.' }),
    text_truncated: Type.Boolean({ description: 'It is not the whole line.' }),
    before: Type.Array(Type.String(), { description: 'Lines before it, as many as `context` asks for.' }),
    after: Type.Array(Type.String(), { description: 'Lines after it.' }),
  },
  { description: 'A line that matches.' },
)

export const GrepResponse = Type.Object(
  {
    matches: Type.Array(GrepMatch, { description: 'By path and line.' }),
    truncated: Type.Boolean({ description: 'There may be more: a limit was reached.' }),
    files_searched: Type.Integer({ description: 'Files that were read.' }),
    files_skipped: Type.Integer({ description: 'Files that were not: binary, too large, not allowed.' }),
  },
  { $id: 'GrepResponse', description: 'Lines that match.' },
)
export type GrepResponse = Static<typeof GrepResponse>

export const WatchQuery = Type.Object(
  {
    path: Type.Optional(path("Folder or file to watch. Absent: the sandbox's cwd.")),
    user: Type.Optional(user(WHOSE)),
    recursive: recursive('Also all folders below it, those that come later included.'),
  },
  { additionalProperties: false },
)

export const FileDeleted = Type.Object(
  {
    path: Type.String({ description: 'The path as it was given.' }),
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'FileDeleted', description: 'The file is gone.' },
)
export type FileDeleted = Static<typeof FileDeleted>

export const UploadQuery = Type.Object(
  {
    path: Type.Optional(path("Folder that file names begin in. Absent: the sandbox's cwd.")),
    user: Type.Optional(user("With whose rights, and who owns the files. Absent: the sandbox's user.")),
  },
  { additionalProperties: false },
)

export const FilesWritten = Type.Object(
  { files: Type.Array(Ref(FileInfo), { description: 'What was written, in the order of the parts.' }) },
  { $id: 'FilesWritten', description: 'Files that were written.' },
)
export type FilesWritten = Static<typeof FilesWritten>

const format = () =>
  Type.Optional(
    StringEnum(['tar', 'tar.gz', 'tar.zst'], {
      description:
        'How the archive is compressed. Absent: not, when it is read; what it begins with, when it is written.',
    }),
  )

export const ArchiveReadQuery = Type.Object(
  { path: filePath('The file or folder'), user: Type.Optional(user(WHOSE)), format: format() },
  { additionalProperties: false },
)

export const ArchiveWriteQuery = Type.Object(
  {
    path: filePath('Folder to unpack in, made where it is missing'),
    user: Type.Optional(user(WHOSE)),
    format: format(),
  },
  { additionalProperties: false },
)

export const ArchiveUnpacked = Type.Object(
  {
    entries: Type.Integer({ description: 'Files, folders and links that were made.' }),
    bytes: Type.Integer({ description: 'Content of the files together.' }),
  },
  { $id: 'ArchiveUnpacked', description: 'What an archive became.' },
)
export type ArchiveUnpacked = Static<typeof ArchiveUnpacked>
