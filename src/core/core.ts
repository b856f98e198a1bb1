import type { Config } from '../config.ts'
import type { Engine, Leftovers } from '../engine/types.ts'
import { KeyedLock } from '../lib/keyed-lock.ts'
import type { Store } from '../store/store.ts'
import { Activity } from './activity.ts'
import { Archives } from './archives.ts'
import { Batches } from './batch/batches.ts'
import { Runs } from './batch/runs.ts'
import { Changes } from './changes.ts'
import { type Clock, systemClock } from './clock.ts'
import { Code } from './code.ts'
import { Commands } from './commands.ts'
import { Contexts } from './contexts.ts'
import { Egress } from './egress/egress.ts'
import { Events } from './events/events.ts'
import { Journal } from './events/journal.ts'
import { Executions } from './executions.ts'
import { Expiry } from './expiry.ts'
import { FileAccess } from './file-access.ts'
import { FileContents } from './file-contents.ts'
import { FileTree } from './file-tree.ts'
import { Files } from './files.ts'
import { Fork } from './fork.ts'
import { Idempotency } from './idempotency.ts'
import { KeepAlive } from './keep-alive.ts'
import { Kernels } from './kernels.ts'
import { LanguagesOf } from './languages-of.ts'
import { LiveSandboxes } from './live.ts'
import type { Log } from './log.ts'
import type { PoolDefinition } from './pool/definition.ts'
import { DEFAULT_POOL, Pools } from './pool/pools.ts'
import { Ports } from './ports.ts'
import { ProcessOutput } from './process-output.ts'
import { Processes } from './processes.ts'
import { Programs } from './programs.ts'
import { type Reconciled, reconcile } from './reconcile.ts'
import { Registry } from './registry.ts'
import { Removals } from './removals.ts'
import { Sandboxes } from './sandboxes.ts'
import { SnapshotImages } from './snapshot-images.ts'
import { SnapshotRegistry } from './snapshot-registry.ts'
import { Snapshots } from './snapshots.ts'
import { StartQueue } from './start-queue.ts'
import { StoppedFiles } from './stopped-files.ts'
import { Sweep } from './sweep.ts'
import { takeOver } from './take-over.ts'
import { Builds } from './templates/builds.ts'
import { LayerImages } from './templates/layer-images.ts'
import { LayerRegistry } from './templates/layer-registry.ts'
import { TemplateRegistry } from './templates/template-registry.ts'
import { Templates } from './templates/templates.ts'
import { Volumes } from './volumes/volumes.ts'
import { Wake } from './wake.ts'
import { Watch } from './watch.ts'
import type { Outbound } from './webhooks/webhook.ts'
import { Webhooks } from './webhooks/webhooks.ts'

export interface CoreOptions {
  config: Pick<Config, 'builds' | 'defaults' | 'limits' | 'pool' | 'eventsKept' | 'startTimeoutMs' | 'stopGraceMs'>
  /** See EngineInfo. */
  fingerprint: string
  engine: Engine
  store: Store
  /** For webhooks. */
  outbound: Outbound
  log: Log
  clock?: Clock
}

/** What the routes of any API are built on. */
export interface Core {
  sandboxes: Sandboxes
  pools: Pools
  volumes: Volumes
  batches: Batches
  runs: Runs
  templates: Templates
  builds: Builds
  events: Events
  webhooks: Webhooks
  commands: Commands
  code: Code
  contexts: Contexts
  languages: LanguagesOf
  files: Files
  fileContents: FileContents
  fileTree: FileTree
  archives: Archives
  processes: Processes
  processOutput: ProcessOutput
  ports: Ports
  egress: Egress
  snapshots: Snapshots
  fork: Fork
  changes: Changes
  /** False from the loss of the engine's events until they are back. */
  engineAvailable(): boolean
  /** What crashes had left and was removed since the start. */
  leftovers(): Leftovers
  /** Brings records and engine to agreement and begins to watch, expire and remove. The engine must be open. */
  open(options: { signal?: AbortSignal }): Promise<Reconciled & { adoptedVolumes: number }>
  /** Ends timers, links and watching; waits `withinMs` for removals under way. Sandboxes run on. Idempotent. */
  close(withinMs: number): Promise<void>
}

/** Wires the domain's parts together. Owns neither engine nor store. */
export function createCore({
  config,
  fingerprint,
  engine,
  store,
  outbound,
  log,
  clock = systemClock,
}: CoreOptions): Core {
  const rules = config
  const locks = new KeyedLock()
  const journal = new Journal({ table: store.events, clock, kept: config.eventsKept })
  const registry = new Registry({ store, journal })
  const live = new LiveSandboxes({ engine })
  const activity = new Activity({ registry, clock })
  const snapshots = new SnapshotRegistry({ store, journal })
  const images = new SnapshotImages({ engine, registry, snapshots, clock, log })
  const onRemoved = (): void => {
    images.retry()
    layerImages.sweep()
  }
  const removals = new Removals({ engine, registry, locks, log, onRemoved })
  const queue = new StartQueue({ atOnce: config.limits.starts, longest: config.limits.queuedStarts })
  const { startTimeoutMs, stopGraceMs } = config
  const stopped = new StoppedFiles({ engine, limitBytes: rules.limits.fileBytes })
  const keepAlive = new KeepAlive({ live, activity })
  const life = { engine, registry, live, activity, keepAlive, locks, queue, clock, log, startTimeoutMs, stopGraceMs }
  const wake = new Wake(life)
  const access = new FileAccess({ registry, live, activity, wake })
  const executions = new Executions({ live, wake, log })
  const programs = new Programs({ executions, live, registry })
  const kernels = new Kernels({ executions, live, registry })
  const languages = new LanguagesOf({ programs, kernels })
  const contexts = new Contexts({ registry, live, wake, languages, log })
  const layers = new LayerRegistry(store)
  const origins = new TemplateRegistry({ store, engine, layers })
  const pools = new Pools({
    ...life,
    templates: origins,
    contexts,
    removals,
    rules,
    fingerprint,
    table: store.pools,
    idleMs: config.pool.idleMs,
    most: config.pool.most,
    defaultPool: defaultPool(config),
  })
  const idempotency = new Idempotency({ store, clock })
  const { volumes: mostVolumes } = rules.limits
  const volumes = new Volumes({ engine, registry, store, journal, clock, log, mostVolumes })
  const sweep = new Sweep({ engine, volumes, clock, log })
  const sandboxes = new Sandboxes({
    ...life,
    contexts,
    idempotency,
    removals,
    rules,
    pools,
    volumes,
    snapshots,
    templates: origins,
  })
  const commands = new Commands({ executions, rules })
  const code = new Code({ executions, contexts, languages, programs, registry, rules })
  const files = new Files({ access, stopped, rules })
  const fileTree = new FileTree({ access })
  const batches = new Batches({ files, fileTree, commands, code })
  const takes = new Snapshots({ engine, registry, snapshots, images, activity, locks, clock, log, rules })
  const expiry = new Expiry({ registry, activity, clock, log, end: (record) => sandboxes.expire(record) })
  const reconciled = { engine, registry, templates: origins, journal, live, removals, locks, clock, log, stopGraceMs }
  const layerImages = new LayerImages({
    engine,
    layers,
    templates: origins,
    clock,
    log,
    cacheBytes: config.builds.cacheBytes,
  })
  const builds = new Builds({
    ...life,
    store,
    removals,
    rules,
    images: layerImages,
    layers,
    templates: origins,
    limits: config.builds,
    builds: config.builds,
    onBuilt: (name, built) => templates.built(name, built),
    journal,
  })
  const most = config.builds.templates
  const templates = new Templates({
    engine,
    store,
    templates: origins,
    builds,
    images: layerImages,
    pools,
    journal,
    rules,
    clock,
    log,
    most,
  })
  const webhooks = new Webhooks({ store, journal, outbound, clock, log })
  const watch = new Watch({
    ...reconciled,
    async sweep({ signal }) {
      await layerImages.reconcile({ signal, atStart: false, adopt: false })
      await images.reconcile({ signal, atStart: false })
    },
  })

  return {
    sandboxes,
    pools,
    templates,
    builds,
    volumes,
    events: new Events({ journal, registry }),
    webhooks,
    batches,
    runs: new Runs({ sandboxes, batches }),
    commands,
    code,
    contexts,
    languages,
    files,
    fileContents: new FileContents({ access, stopped, rules }),
    fileTree,
    archives: new Archives({ access, stopped, rules }),
    processes: new Processes({ registry, live, wake, keepAlive }),
    processOutput: new ProcessOutput({ live, wake }),
    egress: new Egress({ registry, live, clock, log }),
    ports: new Ports({ registry, live, wake }),
    snapshots: takes,
    fork: new Fork({ registry, snapshots, takes, sandboxes, rules }),
    changes: new Changes({ engine, registry, snapshots, live, activity, stopped }),
    engineAvailable: () => watch.engineAvailable,
    leftovers: () => sweep.removed,
    async open({ signal }) {
      builds.open()
      // Before the sandboxes: what is found again of them may be of a template that is.
      await layerImages.reconcile({ signal, atStart: true, adopt: store.found.kind !== 'whole' })
      const done = await reconcile(reconciled, { signal, atStart: true })
      const { adopted: adoptedVolumes } = await volumes.reconcile({ signal, atStart: true })
      await images.reconcile({ signal, atStart: true })
      watch.open()
      activity.open((err) => log.error({ err }, 'could not write activity times, trying again'))
      expiry.open()
      pools.open()
      webhooks.open()
      takeOver({ registry, live, keepAlive, log })
      sweep.open()
      return { ...done, adoptedVolumes }
    },
    async close(withinMs) {
      expiry.close()
      await webhooks.close()
      await builds.close()
      await layerImages.close()
      await pools.close()
      await sweep.close()
      volumes.close()
      await watch.close()
      await executions.close()
      keepAlive.close()
      await removals.settle(withinMs)
      removals.close()
      await images.close()
      live.close()
      activity.close()
    },
  }
}

function defaultPool({ pool, defaults }: CoreOptions['config']): PoolDefinition | null {
  if (pool.size === 0) return null
  const { template, cpus, memoryMb, pids, diskMb } = defaults
  const resources = { cpus, memoryMb, pids, diskMb }
  return { name: DEFAULT_POOL, template, size: pool.size, network: 'internet', resources, prestart: [] }
}
