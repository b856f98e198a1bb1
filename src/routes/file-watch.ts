import { WatchQuery } from '../../schemas/file.ts'
import { WatchEvent as WatchAnswer } from '../../schemas/watch.ts'
import type { CallOptions, WatchEvent } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { answerLive } from '../http/live-answer.ts'
import { holdLive } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import { preferredType } from '../http/preferred-type.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface FileWatchRoutesOptions {
  tree: {
    watch(
      id: string,
      path: string,
      options: CallOptions & { user?: string | undefined; recursive: boolean },
      onEvent: (event: WatchEvent) => void | Promise<void>,
    ): Promise<string>
  }
  memory: MemoryBudget
  endless: EndlessAnswers
  heartbeatMs: number
}

export async function fileWatchRoutes(
  app: TypedApp,
  { tree, memory, endless, heartbeatMs }: FileWatchRoutesOptions,
): Promise<void> {
  app.get('/sandboxes/:sandbox_id/watch', { schema: watchFiles, exposeHeadRoute: false }, async (request, reply) => {
    const { path, user, recursive = false } = request.query
    const type = preferredType(request, ['application/x-ndjson', 'text/event-stream'])
    holdLive(reply, memory)
    const options = { signal: endless.signal(reply), user, recursive }
    return answerLive<WatchAnswer>(request, reply, { type, heartbeatMs }, async (send) => {
      const reason = await tree.watch(request.params.sandbox_id, path || '.', options, (event) => {
        const answer = watchAnswer(event)
        if (answer) return send(answer)
      })
      await send({ type: 'end', reason })
    })
  })
}

/** null for signs of life: the answer has its own. */
function watchAnswer(event: WatchEvent): WatchAnswer | null {
  switch (event.type) {
    case 'ping':
    case 'end':
      return null
    case 'ready':
    case 'overflow':
      return event
    default: {
      const { type, path, pathBase64, from, kind, at } = event
      return { type, path, path_base64: pathBase64, from, file_type: kind, timestamp: at / 1000 }
    }
  }
}

const watchFiles = operation({
  operationId: 'watchFiles',
  tag: 'files',
  summary: 'Watch files',
  description:
    'Tells what happens to the files of a folder, as it happens, until the client leaves or the folder is gone: `ready` first, then `create`, `write`, `remove`, `rename`, `attributes`; `overflow` where changes were lost. As `application/x-ndjson` (default) or `text/event-stream`. Counts as use of the sandbox while it lasts.',
  params: SandboxParams,
  querystring: WatchQuery,
  live: {
    event: WatchAnswer,
    examples: {
      ready: { type: 'ready', skipped: 0 },
      created: {
        type: 'create',
        path: '/home/user/src/a.ts',
        path_base64: null,
        from: null,
        file_type: 'file',
        timestamp: 1_768_469_400.123,
      },
    },
  },
  errors: [
    ...INSIDE_ERRORS,
    'FILE_NOT_FOUND',
    'PATH_NOT_DIRECTORY',
    'PERMISSION_DENIED',
    'USER_NOT_FOUND',
    'FILE_TOO_LARGE',
    'WATCH_LIMIT_REACHED',
    'SERVER_BUSY',
  ],
})
