import type { SandboxRecord } from '../record.ts'

/** What runs already in one that waits is what would run in the other: the same, as the same user, in the same place and environment. */
export function startsAs(waiting: SandboxRecord, wanted: SandboxRecord): boolean {
  if (waiting.startup === null && wanted.startup === null) return true
  return keyOf(waiting, waiting.pooled?.asked) === keyOf(wanted)
}

function keyOf(
  { startup, imageEnv, envs, cwd, user }: SandboxRecord,
  place: Pick<SandboxRecord, 'cwd' | 'user'> = { cwd, user },
): string {
  const sorted = (record: Record<string, string>) => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([startup, sorted(imageEnv), sorted(envs), place.cwd, place.user])
}
