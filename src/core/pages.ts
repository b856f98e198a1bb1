import { SandboxError } from '../errors.ts'

/** What lists are ordered by: the time of creation, then the id. */
interface CreationKey {
  createdAt: number
  id: string
}

/** The next page of things, oldest first. `cursor`: of the page before. INVALID_REQUEST for one that no list gave. */
export function pageOf<T extends CreationKey>(
  matching: T[],
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): { items: T[]; nextCursor: string | null } {
  const after = cursor === undefined ? null : decodeCursor(cursor)
  const rest = matching.sort(byCreation).filter((one) => after === null || byCreation(one, after) > 0)
  const items = rest.slice(0, limit)
  const last = items.at(-1)
  return { items, nextCursor: rest.length > items.length && last ? encodeCursor(last) : null }
}

/** Whether all pairs are there. */
export function hasPairs(metadata: Record<string, string>, wanted: Record<string, string> | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value)
}

const byCreation = (a: CreationKey, b: CreationKey) =>
  a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

function encodeCursor({ createdAt, id }: CreationKey): string {
  return Buffer.from(`${createdAt}:${id}`).toString('base64url')
}

function decodeCursor(cursor: string): CreationKey {
  const parts = /^(\d{1,15}):([a-z0-9]{20})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  if (!parts?.[1] || !parts[2]) {
    throw new SandboxError(
      'INVALID_REQUEST',
      'cursor is not one that a list gave; leave it out to start from the beginning',
    )
  }
  return { createdAt: Number(parts[1]), id: parts[2] }
}
