import type { FileInfo } from '../../schemas/filesystem.ts'
import type { FileEntry } from '../core/model.ts'
import { quoted } from '../http/conditional.ts'
import { timestamp } from '../http/timestamp.ts'

const HAS_SIZE = new Set<FileEntry['type']>(['file', 'symlink', 'directory'])

export function fileAnswer(entry: FileEntry): FileInfo {
  return {
    name: entry.name,
    is_dir: entry.type === 'directory',
    size: HAS_SIZE.has(entry.type) ? entry.sizeBytes : null,
    path: entry.path,
    type: entry.type,
    mode: entry.mode,
    mtime: timestamp(entry.mtime),
    uid: entry.uid,
    gid: entry.gid,
    target: entry.target,
    name_base64: entry.nameBase64,
    etag: entry.etag && quoted(entry.etag),
  }
}

/** For the document's examples. */
export const FILE: FileInfo = {
  name: 'notes.txt',
  is_dir: false,
  size: 6,
  path: '/home/user/notes.txt',
  type: 'file',
  mode: 0o644,
  mtime: '2026-01-15T09:31:00.000Z',
  uid: 1000,
  gid: 1000,
  target: null,
  name_base64: null,
  etag: '"2f1-6-18c8a3f0b2e4d100"',
}
