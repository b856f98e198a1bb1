import type { Found } from '../store/found.ts'
import type { Reconciled } from './reconcile.ts'

/** What an operator must be told of the database that a start found, once it was brought together with the engine; null: nothing. */
export function foundReport(
  found: Found,
  { adopted, missing, adoptedVolumes = 0 }: Reconciled & { adoptedVolumes?: number },
): string | null {
  if (found.kind === 'whole' || found.kind === 'new') return null
  const byLabels =
    adopted === 0
      ? 'No sandbox was found by its labels alone.'
      : `${adopted} ${adopted === 1 ? 'sandbox was' : 'sandboxes were'} found by labels alone: metadata, envs and what was changed after the create are lost of these, and some may have been waiting in a pool.`
  const gone = missing === 0 ? '' : ` ${missing} more have no container any more and are failed.`
  const volumes = adoptedVolumes === 0 ? '' : ` Volumes found by their labels: ${adoptedVolumes}.`
  return `${factOf(found)} ${byLabels}${volumes}${gone}`
}

function factOf(found: Exclude<Found, { kind: 'whole' } | { kind: 'new' }>): string {
  if (found.kind === 'missing')
    return 'The database is missing (k2.db), so a new one was made: pools, idempotency keys and all else that is not on the engine is lost.'
  if (found.kind === 'older')
    return `The database was found older than it was left: ${found.why}. What was written last may be lost.`
  const rows = Object.entries(found.rows).map(([table, count]) => `${count} of ${table}`)
  const kept = rows.length === 0 ? 'Nothing could be read of it' : `Rows that could be read of it: ${rows.join(', ')}`
  return `The database was damaged (${found.why}) and was made anew; the damaged file is kept as ${found.keptAs}. ${kept}; the rest of it is lost.`
}
