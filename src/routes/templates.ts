import {
  TemplateCreate,
  TemplateDeleted,
  TemplateInfo,
  TemplateList,
  TemplateParams,
  TemplateUpdate,
} from '../../schemas/template.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { CallOptions } from '../core/model.ts'
import type { BuildView, CreateTemplate, TemplateSettings, TemplateView } from '../core/templates/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { liveType } from '../http/live-answer.ts'
import { operation } from '../http/operation.ts'
import { BUILD, TEMPLATE, templateAnswer } from './template-answer.ts'
import { type BuildRoutesOptions, followBuild, LIVE } from './template-builds.ts'
import { toCreateTemplate, toSettings } from './template-request.ts'

export interface TemplateRoutesOptions extends Omit<BuildRoutesOptions, 'templates'> {
  templates: {
    create(request: CreateTemplate, options: CallOptions): Promise<{ template: TemplateView; build: BuildView | null }>
    get(name: string): TemplateView
    list(): TemplateView[]
    change(name: string, settings: TemplateSettings, options: CallOptions): Promise<TemplateView>
    remove(name: string): Promise<void>
  }
}

export async function templateRoutes(app: TypedApp, options: TemplateRoutesOptions): Promise<void> {
  const { templates, builds, bodyLimitBytes, filesBytes } = options
  const follow = followBuild(options)
  const answer = (view: TemplateView) =>
    templateAnswer(view, view.buildId === null ? null : builds.get(view.name, view.buildId))

  app.post('/templates', { schema: createTemplate, bodyLimit: bodyLimitBytes }, async (request, reply) => {
    const asked = toCreateTemplate(request.body, filesBytes)
    const { template, build } = await templates.create(asked, { signal: clientGone(reply) })
    return build && liveType(request) ? await follow(request, reply, build, 0) : answer(template)
  })

  app.get('/templates', { schema: listTemplates }, async () => ({ templates: templates.list().map(answer) }))

  app.get('/templates/:name', { schema: getTemplate }, async ({ params }) => answer(templates.get(params.name)))

  app.patch('/templates/:name', { schema: updateTemplate }, async ({ params, body }, reply) =>
    answer(await templates.change(params.name, toSettings(body), { signal: clientGone(reply) })),
  )

  app.delete('/templates/:name', { schema: deleteTemplate }, async ({ params: { name } }) => {
    await templates.remove(name)
    return { name, status: 'deleted' as const }
  })
}

const createTemplate = operation({
  operationId: 'createTemplate',
  tag: 'templates',
  summary: 'Make a template',
  description:
    'Gives a name to an image, with what its sandboxes begin with; or builds one, from a Dockerfile or from steps. Steps are done in a sandbox, as limited as any other, as root or as USER; its files are kept after each. A step that was done before, upon the same files, is not done again. The answer comes when the build is queued: look at it, or take `Accept: text/event-stream` or `application/x-ndjson` and get its log as it happens. Whoever leaves does not end it. All that can be known to be wrong before is told at once.',
  body: Ref(TemplateCreate),
  requestExamples: {
    image: { name: 'py', image: 'python:3.13', defaults: { network: 'none', prestart: ['python'] }, pool_size: 2 },
    dockerfile: {
      name: 'web',
      dockerfile:
        'FROM debian:trixie-slim\nRUN apt-get update && apt-get install -y python3\nCOPY site /srv\nEXPOSE 8080\nCMD ["python3", "-m", "http.server", "-d", "/srv", "8080"]\n',
      files: [{ path: 'site/index.html', content: '<h1>It works</h1>\n' }],
      ready: { port: 8080 },
    },
    steps: {
      name: 'tools',
      from: 'k2data/sandbox-base:latest',
      steps: [
        { user: 'root' },
        { run: 'apt-get update && apt-get install -y --no-install-recommends jq' },
        { user: 'user' },
      ],
      build: { timeout: 300 },
    },
  },
  answer: Ref(TemplateInfo),
  answerExamples: {
    building: {
      ...TEMPLATE,
      status: 'building',
      build: { ...BUILD, status: 'queued', step: 0, cached_steps: 0, started_at: null, finished_at: null },
    },
  },
  live: LIVE,
  errors: [
    'INVALID_REQUEST',
    'TEMPLATE_EXISTS',
    'TEMPLATE_INVALID',
    'TEMPLATE_NOT_FOUND',
    'TEMPLATE_LIMIT_REACHED',
    'DOCKERFILE_INVALID',
    'FILE_TOO_LARGE',
    'LANGUAGE_UNAVAILABLE',
    'SERVER_BUSY',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
})

const listTemplates = operation({
  operationId: 'listTemplates',
  tag: 'templates',
  summary: 'List templates',
  description: 'All that were registered or built. Images of the engine need none: a create may name them directly.',
  answer: Ref(TemplateList),
  answerExamples: { templates: { templates: [TEMPLATE] } },
  errors: [],
})

const getTemplate = operation({
  operationId: 'getTemplate',
  tag: 'templates',
  summary: 'Look at a template',
  description: 'What it is made of, what its sandboxes begin with, and its latest build.',
  params: TemplateParams,
  answer: Ref(TemplateInfo),
  answerExamples: { ready: TEMPLATE },
  errors: ['TEMPLATE_NOT_FOUND'],
})

const updateTemplate = operation({
  operationId: 'updateTemplate',
  tag: 'templates',
  summary: 'Change a template',
  description:
    'What sandboxes begin with that are made from now on, and how many wait ready. Its image changes by building it again.',
  params: TemplateParams,
  body: Ref(TemplateUpdate),
  requestExamples: { pool: { pool_size: 4 }, server: { start_command: 'node server.js', ready: { port: 3000 } } },
  answer: Ref(TemplateInfo),
  answerExamples: { ready: TEMPLATE },
  errors: [
    'INVALID_REQUEST',
    'TEMPLATE_NOT_FOUND',
    'TEMPLATE_NOT_READY',
    'LANGUAGE_UNAVAILABLE',
    'ENGINE_UNAVAILABLE',
    'ENGINE_TIMEOUT',
    'DISK_FULL',
  ],
})

const deleteTemplate = operation({
  operationId: 'deleteTemplate',
  tag: 'templates',
  summary: 'Delete a template',
  description:
    'With its builds, those that wait in its pool, and its image as soon as nothing is made of it any more. Its sandboxes live on. A build that is under way is ended.',
  params: TemplateParams,
  answer: Ref(TemplateDeleted),
  answerExamples: { deleted: { name: 'web', status: 'deleted' } },
  errors: ['TEMPLATE_NOT_FOUND', 'DISK_FULL'],
})
