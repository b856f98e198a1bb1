import { ChangesQuery, FileChanges } from '../../schemas/snapshot.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions, ChangesPage, ChangesQuery as Query } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface ChangesRoutesOptions {
  changes: {
    list(id: string, query: Query, options: CallOptions): Promise<ChangesPage>
  }
}

const DEFAULT_PAGE = 100

export async function changesRoutes(app: TypedApp, { changes }: ChangesRoutesOptions): Promise<void> {
  app.get('/sandboxes/:sandbox_id/changes', { schema: listChanges }, async ({ params, query }, reply) => {
    const asked = { ...query, limit: query.limit ?? DEFAULT_PAGE }
    const page = await changes.list(params.sandbox_id, asked, { signal: clientGone(reply) })
    return {
      changes: page.changes.map(({ sizeBytes, ...change }) => ({ ...change, size: sizeBytes })),
      next_cursor: page.nextCursor,
    }
  })
}

const listChanges = operation({
  operationId: 'listChanges',
  tag: 'snapshots',
  summary: 'List which files have changed',
  description:
    "How the files of a sandbox differ from those it was made of, or with `since` from a snapshot of it. In every state; it wakes nothing. Mounts are left out, and folders in which something changed are `modified`. Each page looks anew, and where the image has many files each look takes the engine seconds: ask for large pages.\n\nWith `since`: what has changed twice is told by the file's times. In a running sandbox that is the time of its last change, which no program can set. In one that is paused or stopped it is the time of its last modification, in whole seconds: what was written in the very second of the snapshot is listed, too, and a change of owner, mode or name alone, or one whose time was set back, is not.",
  params: SandboxParams,
  querystring: ChangesQuery,
  answer: Ref(FileChanges),
  answerExamples: {
    page: {
      changes: [
        { path: '/home/user', kind: 'modified', type: 'directory', size: null },
        { path: '/home/user/report.txt', kind: 'added', type: 'file', size: 1204 },
      ],
      next_cursor: null,
    },
  },
  errors: [...INSIDE_ERRORS, 'INVALID_REQUEST', 'SNAPSHOT_NOT_FOUND', 'FILE_TOO_LARGE'],
})
