import { Encoding, path, Timestamp, user } from './common.ts'
import { Nullable, NullableEnum, Ref, type Static, StringEnum, Type } from './typebox.ts'

export const FileSystemAction = Type.Object(
  {
    action: StringEnum(['list', 'read', 'write', 'delete'], {
      description:
        '`list` a folder; `read` a file; `write` a file whole, at once, with the folders above it; `delete` a file or a folder with all in it. A stopped sandbox is not woken: its files can be listed (which reads all that is below the folder), read and written, not deleted.',
      'x-error': 'UNSUPPORTED_ACTION',
    }),
    path: Type.Optional(
      path(
        "The file or folder; not starting with `/`: below the sandbox's cwd. Required by all but `list`, which then lists the cwd. Without NUL.",
      ),
    ),
    content: Type.Optional(
      Type.String({
        description:
          "For `write`, and required by it: the file's new content in `encoding`. The empty string is an empty file.",
      }),
    ),
    encoding: Type.Optional(
      Encoding(
        'How `content` is given, here and in the answer. `utf-8` (default): as text; `base64` (RFC 4648 section 4, with padding): any bytes.',
      ),
    ),
    user: Type.Optional(
      user(
        "With whose rights, and who owns what is written. Absent: the sandbox's user. Of no effect on a stopped sandbox: there nobody's rights are checked, and new files are the sandbox's user's.",
      ),
    ),
  },
  { $id: 'FileSystemAction', description: "What to do with the sandbox's files." },
)
export type FileSystemAction = Static<typeof FileSystemAction>

export const FileInfo = Type.Object(
  {
    name: Type.String({ description: 'Name in its folder; bytes that are not UTF-8 replaced, see `name_base64`.' }),
    is_dir: Type.Boolean({ description: 'It is a folder.' }),
    size: Nullable(Type.Integer(), { description: 'Bytes; null for what has no content.' }),
    path: Type.String({ description: 'The folder joined with the name.' }),
    type: StringEnum(['file', 'directory', 'symlink', 'fifo', 'socket', 'char_device', 'block_device'], {
      description: 'What it is. A symlink is itself, not what it points to.',
    }),
    mode: Type.Integer({ description: 'Permission bits (the lower 12) as a number: 420 is 0644.' }),
    mtime: Timestamp('When its content last changed.'),
    uid: Type.Integer({ description: 'Numeric owner.' }),
    gid: Type.Integer({ description: 'Numeric group.' }),
    target: Nullable(Type.String(), { description: 'Where a symlink points, as it is written; null for all else.' }),
    name_base64: Nullable(Type.String(), { description: "The name's bytes when they are not UTF-8, else null." }),
    etag: Nullable(Type.String(), {
      description: 'Names this version of it, for If-Match and If-None-Match; another after each change.',
    }),
  },
  { $id: 'FileInfo', description: 'One entry of a folder.' },
)
export type FileInfo = Static<typeof FileInfo>

export const FileSystemResponse = Type.Object(
  {
    files: Nullable(Type.Array(Ref(FileInfo)), { description: 'Answer of `list`: the entries, by name.' }),
    content: Nullable(Type.String(), { description: "Answer of `read`: the file's content in `encoding`." }),
    message: Nullable(Type.String(), {
      description: 'Answer of `write` and `delete`: `File written successfully`, `File deleted successfully`.',
    }),
    encoding: NullableEnum(['utf-8', 'base64'], { description: 'How `content` is given; null when there is none.' }),
  },
  { $id: 'FileSystemResponse', description: 'Exactly one of `files`, `content` and `message` is not null.' },
)
export type FileSystemResponse = Static<typeof FileSystemResponse>
