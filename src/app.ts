/** Puts the HTTP server together; every plugin is registered here, in order. It never listens. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { type FastifyBaseLogger, fastify } from 'fastify'
import packageJson from '../package.json' with { type: 'json' }
import { allSchemas } from '../schemas/all.ts'
import { Type } from '../schemas/typebox.ts'
import type { TypedApp } from './http/app-type.ts'
import { boundBodies } from './http/body-deadline.ts'
import { serveDocs } from './http/docs.ts'
import { EndlessAnswers } from './http/endless.ts'
import { finishBeforeClose } from './http/graceful-close.ts'
import { guardOrigins } from './http/guard.ts'
import { HTTP_DEFAULTS, type HttpConfig } from './http/http-config.ts'
import { parseJsonBodies } from './http/json-body.ts'
import { logRequests } from './http/logger.ts'
import { boundMemory } from './http/memory.ts'
import { answerUnknownRoutes } from './http/not-found.ts'
import { documentRoutes } from './http/openapi.ts'
import { PreviewSites } from './http/preview-sites.ts'
import { answerWithProblems } from './http/problem.ts'
import { serverOptions } from './http/server-options.ts'
import { routeUpgrades } from './http/upgrade.ts'
import { MemoryBudget } from './lib/memory-budget.ts'
import { type ActionRoutesOptions, actionRoutes } from './routes/actions.ts'
import { type ArchiveRoutesOptions, archiveRoutes } from './routes/archive.ts'
import { type BatchRoutesOptions, batchRoutes } from './routes/batch.ts'
import { type ChangesRoutesOptions, changesRoutes } from './routes/changes.ts'
import { type CodeRoutesOptions, codeRoutes } from './routes/code.ts'
import { type CommandRoutesOptions, commandRoutes } from './routes/command.ts'
import { type ContextRoutesOptions, contextRoutes } from './routes/contexts.ts'
import { type EgressRoutesOptions, egressRoutes } from './routes/egress.ts'
import { type EventRoutesOptions, eventRoutes } from './routes/events.ts'
import { type FileContentRoutesOptions, fileContentRoutes } from './routes/file-content.ts'
import { type FileTreeRoutesOptions, fileTreeRoutes } from './routes/file-tree.ts'
import { type FileUploadRoutesOptions, fileUploadRoutes } from './routes/file-upload.ts'
import { type FileWatchRoutesOptions, fileWatchRoutes } from './routes/file-watch.ts'
import { type FilesystemRoutesOptions, filesystemRoutes } from './routes/filesystem.ts'
import { type ForkRoutesOptions, forkRoutes } from './routes/fork.ts'
import { type HealthRoutesOptions, healthRoutes } from './routes/health.ts'
import { type LanguageRoutesOptions, languageRoutes } from './routes/languages.ts'
import { type PoolRoutesOptions, poolRoutes } from './routes/pools.ts'
import { type PortProxyRoutesOptions, portProxyRoutes } from './routes/port-proxy.ts'
import { type PortRoutesOptions, portRoutes } from './routes/ports.ts'
import { type ProcessInputRoutesOptions, processInputRoutes } from './routes/process-input.ts'
import { type ProcessOutputRoutesOptions, processOutputRoutes } from './routes/process-output.ts'
import { type ProcessRoutesOptions, processRoutes } from './routes/processes.ts'
import { type PtyRoutesOptions, ptyRoutes } from './routes/pty.ts'
import { rootRoutes } from './routes/root.ts'
import { type RunRoutesOptions, runRoutes } from './routes/run.ts'
import { type SandboxRoutesOptions, sandboxRoutes } from './routes/sandboxes.ts'
import { type SnapshotRoutesOptions, snapshotRoutes } from './routes/snapshots.ts'
import { type BuildRoutesOptions, buildRoutes } from './routes/template-builds.ts'
import { type TemplateRoutesOptions, templateRoutes } from './routes/templates.ts'
import { tunnelRoutes } from './routes/tunnel.ts'
import { type VolumeRoutesOptions, volumeRoutes } from './routes/volumes.ts'
import { type WebhookRoutesOptions, webhookRoutes } from './routes/webhooks.ts'

/** What the routes call. The core's classes fit; tests of the edge pass small ones. */
export interface Deps {
  /** What is absent gets HTTP_DEFAULTS. */
  config: Partial<HttpConfig>
  sandboxes: SandboxRoutesOptions['sandboxes'] & ActionRoutesOptions['sandboxes']
  commands: CommandRoutesOptions['commands']
  code: CodeRoutesOptions['code']
  contexts: ContextRoutesOptions['contexts']
  languages: LanguageRoutesOptions['languages']
  files: FilesystemRoutesOptions['files']
  fileContents: FileContentRoutesOptions['contents'] &
    FileTreeRoutesOptions['contents'] &
    FileUploadRoutesOptions['contents']
  fileTree: FileTreeRoutesOptions['tree'] & FileWatchRoutesOptions['tree']
  archives: ArchiveRoutesOptions['archives']
  processes: ProcessRoutesOptions['processes'] & ProcessInputRoutesOptions['processes'] & PtyRoutesOptions['processes']
  processOutput: ProcessOutputRoutesOptions['output']
  templates: TemplateRoutesOptions['templates'] & BuildRoutesOptions['templates']
  builds: BuildRoutesOptions['builds']
  ports: PortRoutesOptions['ports'] & PortProxyRoutesOptions['ports']
  egress: EgressRoutesOptions['egress']
  pools: PoolRoutesOptions['pools']
  volumes: VolumeRoutesOptions['volumes']
  batches: BatchRoutesOptions['batches']
  runs: RunRoutesOptions['runs']
  events: EventRoutesOptions['events']
  snapshots: SnapshotRoutesOptions['snapshots']
  fork: ForkRoutesOptions['fork']
  changes: ChangesRoutesOptions['changes']
  webhooks: WebhookRoutesOptions['webhooks']
  health: HealthRoutesOptions['health']
  /** None: nothing is logged. */
  logger?: FastifyBaseLogger
}

const { version } = packageJson

const INFO = {
  title: 'K2 Sandbox API',
  description: 'API for managing Docker-based sandboxes',
  version,
  tags: [
    { name: 'sandboxes', description: 'Make, find, stop, wake and delete sandboxes.' },
    { name: 'templates', description: 'Images with names of their own, registered or built.' },
    { name: 'snapshots', description: "Copies of sandboxes' files, and what changed in them." },
    { name: 'execution', description: 'Run commands and code in a sandbox.' },
    { name: 'files', description: "A sandbox's files." },
    { name: 'processes', description: 'What runs in a sandbox.' },
    { name: 'ports', description: 'Servers that run in a sandbox.' },
    { name: 'events', description: 'What happens to sandboxes, and who is told.' },
    { name: 'pools', description: 'Sandboxes that wait ready.' },
    { name: 'volumes', description: 'Files that outlive sandboxes.' },
    { name: 'server', description: 'The server itself.' },
  ],
}

/** Of the end of one answer. */
const MOST_WATCHERS = 32

export async function buildApp(deps: Deps): Promise<TypedApp> {
  const config: HttpConfig = { ...HTTP_DEFAULTS, ...deps.config }
  const previews = new PreviewSites(config.previewDomain)
  const app: TypedApp = fastify(serverOptions(config, previews, deps.logger)).withTypeProvider<TypeBoxTypeProvider>()
  app.server.maxConnections = config.maxConnections
  for (const schema of allSchemas) app.addSchema(schema)

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    // Lease, stall, deadline, use and pipes each watch for its end.
    reply.raw.setMaxListeners(MOST_WATCHERS)
  })
  if (deps.logger) logRequests(app)
  answerWithProblems(app)
  const endless = new EndlessAnswers()
  finishBeforeClose(app, { graceMs: config.shutdownGraceMs, endless })
  routeUpgrades(app)
  guardOrigins(app, config)
  const memory = new MemoryBudget({ limitBytes: config.bufferBytes })
  boundMemory(app, memory, config)
  boundBodies(app, config)
  const { heartbeatMs, stalledMs } = config
  answerUnknownRoutes(app)
  parseJsonBodies(app)

  await documentRoutes(app, INFO)
  await serveDocs(app)
  await app.register(async (api: TypedApp) => {
    refuseUnknownQueries(api)
    await api.register(rootRoutes)
    await api.register(healthRoutes, { health: deps.health, version })
    await api.register(sandboxRoutes, { sandboxes: deps.sandboxes })
    await api.register(eventRoutes, { events: deps.events, memory, endless, heartbeatMs })
    await api.register(volumeRoutes, { volumes: deps.volumes })
    await api.register(webhookRoutes, { webhooks: deps.webhooks })
    await api.register(poolRoutes, { pools: deps.pools })
    await api.register(actionRoutes, { sandboxes: deps.sandboxes })
    await api.register(snapshotRoutes, { snapshots: deps.snapshots })
    await api.register(forkRoutes, { fork: deps.fork })
    await api.register(changesRoutes, { changes: deps.changes })
    await api.register(codeRoutes, { code: deps.code, memory, heartbeatMs })
    await api.register(contextRoutes, { contexts: deps.contexts })
    await api.register(languageRoutes, { languages: deps.languages })
    await api.register(commandRoutes, { commands: deps.commands, memory, heartbeatMs })
    const bodyLimitBytes = config.fileBodyLimitBytes
    await api.register(batchRoutes, { batches: deps.batches, bodyLimitBytes, memory })
    await api.register(runRoutes, { runs: deps.runs, bodyLimitBytes, memory })
    await api.register(filesystemRoutes, {
      files: deps.files,
      fileBodyLimitBytes: config.fileBodyLimitBytes,
      memory,
    })
    await api.register(fileContentRoutes, { contents: deps.fileContents, memory })
    await api.register(fileUploadRoutes, { contents: deps.fileContents })
    await api.register(fileTreeRoutes, { contents: deps.fileContents, tree: deps.fileTree })
    await api.register(fileWatchRoutes, { tree: deps.fileTree, memory, endless, heartbeatMs })
    await api.register(archiveRoutes, { archives: deps.archives })
    await api.register(processRoutes, { processes: deps.processes })
    await api.register(processInputRoutes, { processes: deps.processes })
    await api.register(processOutputRoutes, { output: deps.processOutput, memory, endless, heartbeatMs })
    await api.register(ptyRoutes, {
      processes: deps.processes,
      output: deps.processOutput,
      endless,
      heartbeatMs,
      stalledMs,
    })
    await api.register(egressRoutes, { egress: deps.egress })
    await api.register(portRoutes, { ports: deps.ports, previews })
    await api.register(portProxyRoutes, { ports: deps.ports, endless, stalledMs })
    const templates = {
      templates: deps.templates,
      builds: deps.builds,
      memory,
      endless,
      heartbeatMs,
      bodyLimitBytes: config.fileBodyLimitBytes,
      filesBytes: Math.floor(config.fileBodyLimitBytes / 2),
    }
    await api.register(templateRoutes, templates)
    await api.register(buildRoutes, templates)
    await api.register(tunnelRoutes, { ports: deps.ports, endless, heartbeatMs, stalledMs })
  })
  await app.ready()
  return app
}

/** A route that declares no query parameters has none: a mistyped one is told, not ignored. */
function refuseUnknownQueries(api: TypedApp): void {
  const none = Type.Object({}, { additionalProperties: false })
  api.addHook('onRoute', (route) => {
    if (route.schema) route.schema.querystring ??= none
  })
}
