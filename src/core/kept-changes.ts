import { deflateSync, inflateSync } from 'node:zlib'
import type { FileChange } from '../engine/types.ts'

/** What a snapshot had changed, by path. */
export type KeptChanges = Map<string, FileChange['kind']>

/**
 * As text for the store. Of a running sandbox two lists are needed: what is in one only came or went around the moment of the
 * snapshot, and is kept, so that nothing is missed later.
 */
export function packChanges(before: FileChange[], after: FileChange[]): string {
  const kept: KeptChanges = new Map(before.map(({ path, kind }) => [path, kind]))
  for (const { path, kind } of after) kept.set(path, kind)
  return deflateSync(JSON.stringify([...kept])).toString('base64')
}

export function unpackChanges(text: string): KeptChanges {
  const pairs = JSON.parse(inflateSync(Buffer.from(text, 'base64')).toString('utf8')) as [string, FileChange['kind']][]
  return new Map(pairs)
}

/**
 * What differs from the moment of a snapshot, given what differs from the image then and now. `open`: the same kind of
 * difference twice, so that only the file's times can tell.
 */
export function changesSince(then: KeptChanges, now: FileChange[]): { certain: FileChange[]; open: FileChange[] } {
  const certain: FileChange[] = []
  const open: FileChange[] = []
  const seen = new Set<string>()
  for (const change of now) {
    const { path, kind } = change
    const was = then.get(path)
    seen.add(path)
    if (was === undefined) certain.push(change)
    else if (kind === 'deleted') {
      if (was !== 'deleted') certain.push(change)
    } else if (was === 'deleted') certain.push({ path, kind: 'added' })
    else open.push({ path, kind: 'modified' })
  }
  // It was in the snapshot, and is not even a difference any more.
  for (const [path, kind] of then) if (!seen.has(path) && kind === 'added') certain.push({ path, kind: 'deleted' })
  return { certain, open }
}
