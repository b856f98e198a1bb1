import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  BuildDeleted,
  BuildEvent,
  BuildLogPage,
  BuildLogQuery,
  BuildParams,
  TemplateBuild,
  TemplateBuildList,
  TemplateParams,
  TemplateRebuild,
} from '../../schemas/template.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions } from '../core/model.ts'
import type { BuildView, BuildEvent as CoreEvent, Rebuild } from '../core/templates/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import type { EndlessAnswers } from '../http/endless.ts'
import { answerLive, liveType } from '../http/live-answer.ts'
import { holdLive } from '../http/memory.ts'
import { operation } from '../http/operation.ts'
import type { MemoryBudget } from '../lib/memory-budget.ts'
import { ID } from './examples.ts'
import { BUILD, buildAnswer, buildEventAnswer, FAILED_BUILD, LOG_EXAMPLES } from './template-answer.ts'
import { toRebuild } from './template-request.ts'

export interface BuildRoutesOptions {
  templates: { get(name: string): unknown; rebuild(name: string, request: Rebuild): BuildView }
  builds: {
    list(template: string): BuildView[]
    get(template: string, id: string): BuildView
    readLog(template: string, id: string, offset: number): CoreEvent[]
    follow(
      template: string,
      id: string,
      offset: number,
      onEvent: (event: CoreEvent) => void | Promise<void>,
      options: CallOptions,
    ): Promise<BuildView>
    remove(template: string, id: string): Promise<void>
  }
  memory: MemoryBudget
  endless: EndlessAnswers
  heartbeatMs: number
  /** Of a body with files. */
  bodyLimitBytes: number
  filesBytes: number
}

export type FollowBuild = (
  request: FastifyRequest,
  reply: FastifyReply,
  build: BuildView,
  from: number,
) => Promise<FastifyReply>

/** Answers with what happens in a build from an offset on, to its end. Whoever leaves does not end it. */
export function followBuild({
  builds,
  memory,
  endless,
  heartbeatMs,
}: Pick<BuildRoutesOptions, 'builds' | 'memory' | 'endless' | 'heartbeatMs'>): FollowBuild {
  return async (request, reply, { template, id }, from) => {
    const type = liveType(request) ?? 'application/x-ndjson'
    holdLive(reply, memory)
    const signal = endless.signal(reply)
    return await answerLive<BuildEvent & { type: string }>(request, reply, { type, heartbeatMs }, async (send) => {
      const end = await builds.follow(template, id, from, (event) => send(buildEventAnswer(event)), { signal })
      await send({ type: 'end', build: buildAnswer(end) })
    })
  }
}

export async function buildRoutes(app: TypedApp, options: BuildRoutesOptions): Promise<void> {
  const { templates, builds, bodyLimitBytes, filesBytes } = options
  const follow = followBuild(options)

  app.post('/templates/:name/rebuild', { schema: rebuild, bodyLimit: bodyLimitBytes }, async (request, reply) => {
    const build = templates.rebuild(request.params.name, toRebuild(request.body, filesBytes))
    return liveType(request) ? await follow(request, reply, build, 0) : buildAnswer(build)
  })

  app.get('/templates/:name/builds', { schema: listBuilds }, async ({ params: { name } }) => {
    templates.get(name)
    return { builds: builds.list(name).map(buildAnswer) }
  })

  app.get('/templates/:name/builds/:build_id', { schema: getBuild }, async ({ params }) => {
    templates.get(params.name)
    return buildAnswer(builds.get(params.name, params.build_id))
  })

  app.get('/templates/:name/builds/:build_id/log', { schema: readLog }, async (request, reply) => {
    const { name, build_id: id } = request.params
    templates.get(name)
    const build = builds.get(name, id)
    const offset = lastEventId(request) ?? request.query.offset ?? 0
    if (liveType(request)) return await follow(request, reply, build, offset)
    const events = builds.readLog(name, id, offset).map(buildEventAnswer)
    return { events, next_offset: offsetOf(events.at(-1)) ?? offset, build: buildAnswer(build) }
  })

  app.delete('/templates/:name/builds/:build_id', { schema: deleteBuild }, async ({ params }) => {
    const { name, build_id: id } = params
    templates.get(name)
    const { status } = builds.get(name, id)
    await builds.remove(name, id)
    const underWay = status === 'queued' || status === 'building'
    return { build_id: id, status: underWay ? ('cancelled' as const) : ('deleted' as const) }
  })
}

const offsetOf = (event: BuildEvent | undefined) => (event && 'offset' in event ? event.offset : undefined)

/** Where a browser that lost its stream was. */
function lastEventId({ headers }: FastifyRequest): number | undefined {
  const id = headers['last-event-id']
  return typeof id === 'string' && /^\d{1,15}$/.test(id) ? Number(id) : undefined
}

export const LIVE = { event: BuildEvent, examples: LOG_EXAMPLES }

const rebuild = operation({
  operationId: 'rebuildTemplate',
  tag: 'templates',
  summary: 'Build a template again',
  description:
    'Of what it was built of last, or of what this says instead. Sandboxes are made of the image of before until the build is ready, and after one that fails. As JSON (default) the answer is the queued build; with `Accept: text/event-stream` or `application/x-ndjson` its log as it happens.',
  params: TemplateParams,
  body: Ref(TemplateRebuild),
  bodyOptional: true,
  requestExamples: {
    same: {},
    anew: { no_cache: true },
    changed: { files: [{ path: 'app.py', content: 'print(2)\n' }] },
  },
  answer: Ref(TemplateBuild),
  answerExamples: {
    queued: { ...BUILD, status: 'queued', step: 0, cached_steps: 0, started_at: null, finished_at: null },
  },
  live: LIVE,
  errors: [
    'INVALID_REQUEST',
    'TEMPLATE_NOT_FOUND',
    'TEMPLATE_NOT_READY',
    'DOCKERFILE_INVALID',
    'FILE_TOO_LARGE',
    'SERVER_BUSY',
    'DISK_FULL',
  ],
})

const listBuilds = operation({
  operationId: 'listTemplateBuilds',
  tag: 'templates',
  summary: 'List the builds of a template',
  description: 'The latest ten, latest first.',
  params: TemplateParams,
  answer: Ref(TemplateBuildList),
  answerExamples: { builds: { builds: [FAILED_BUILD] } },
  errors: ['TEMPLATE_NOT_FOUND'],
})

const getBuild = operation({
  operationId: 'getTemplateBuild',
  tag: 'templates',
  summary: 'Look at a build',
  description: 'How far it is, and why it failed where it has.',
  params: BuildParams,
  answer: Ref(TemplateBuild),
  answerExamples: { ready: BUILD, failed: FAILED_BUILD },
  errors: ['TEMPLATE_NOT_FOUND', 'BUILD_NOT_FOUND'],
})

const readLog = operation({
  operationId: 'readTemplateBuildLog',
  tag: 'templates',
  summary: 'Read or follow the log of a build',
  description:
    'As JSON (default): what it has said so far. With `Accept: text/event-stream` or `application/x-ndjson`: all as it happens, to the end of the build. Any number of readers; one that lost its connection goes on with `offset`, or `Last-Event-ID`. A reader who leaves does not end the build.',
  params: BuildParams,
  querystring: BuildLogQuery,
  answer: Ref(BuildLogPage),
  answerExamples: { log: { events: [LOG_EXAMPLES.step, LOG_EXAMPLES.stdout], next_offset: 3, build: BUILD } },
  live: LIVE,
  errors: ['TEMPLATE_NOT_FOUND', 'BUILD_NOT_FOUND', 'SERVER_BUSY'],
})

const deleteBuild = operation({
  operationId: 'deleteTemplateBuild',
  tag: 'templates',
  summary: 'Cancel or forget a build',
  description:
    'One that is under way is ended, with its sandbox; one that is over is forgotten with its log. The template stays as it is.',
  params: BuildParams,
  answer: Ref(BuildDeleted),
  answerExamples: { cancelled: { build_id: ID, status: 'cancelled' } },
  errors: ['TEMPLATE_NOT_FOUND', 'BUILD_NOT_FOUND', 'DISK_FULL'],
})
