/** The process: reads the settings, opens engine, store and core, listens, and stops on signals. */
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buildApp } from './app.ts'
import { type Config, ConfigError, helpText, readConfig } from './config.ts'
import { createCore } from './core/core.ts'
import { foundReport } from './core/found-report.ts'
import { createDockerEngine } from './engine/docker/docker-engine.ts'
import { createLocalEngine } from './engine/local/local-engine.ts'
import type { Engine, EngineInfo } from './engine/types.ts'
import { SandboxError } from './errors.ts'
import { createLogger } from './http/logger.ts'
import { deadline } from './lib/deadline.ts'
import { Outbound } from './outbound/outbound.ts'
import { writeBackup } from './store/backup.ts'
import { BackupSocket } from './store/backup-socket.ts'
import { instanceSecret } from './store/secret.ts'
import { openStore, type Store } from './store/store.ts'

type Logger = ReturnType<typeof createLogger>

const OPEN_LIMIT_MS = 60_000
/** A file as JSON: base64 takes a third more, escapes at most twice as much for what people call text. */
const BODY_OVERHEAD = 2

async function start(config: Config): Promise<void> {
  const logger = createLogger({ level: config.logLevel })
  const store = openStore(config.dataDir)
  tellFound(store, logger)
  const secret = instanceSecret(config.dataDir, store.meta)
  const engine = createEngine(config, secret, logger)
  // Also what keeps the process alive until it listens: what it waits for here may have nothing of its own that does.
  using limit = deadline(OPEN_LIMIT_MS, openedTooLate)
  const { signal } = limit
  const info = await engine.open({ signal })
  for (const warning of info.warnings) logger.warn({ engine: info.name }, warning)

  const outbound = new Outbound({ allowedNetworks: config.webhookNetworks })
  const core = createCore({
    config: enforceable(config, info),
    fingerprint: info.fingerprint,
    engine,
    store,
    outbound,
    log: logger,
  })
  const reconciled = await core.open({ signal })
  const report = foundReport(store.found, reconciled)
  if (report !== null) console.error(report)
  const { fileBytes, bufferBytes } = config.limits
  const app = await buildApp({
    ...core,
    config: {
      allowedHosts: config.allowedHosts,
      allowedOrigins: config.allowedOrigins,
      previewDomain: config.previewDomain,
      shutdownGraceMs: config.shutdownGraceMs,
      fileBodyLimitBytes: fileBytes * BODY_OVERHEAD,
      bufferBytes,
    },
    health: { info, engineAvailable: () => core.engineAvailable(), leftovers: () => core.leftovers() },
    logger,
  })

  const write = (file: string) => writeBackup(file, secret, (part) => store.copyTo(part))
  const backups = await BackupSocket.open(config.dataDir, write)
  const stop = async (): Promise<void> => {
    await backups.close()
    await app.close()
    await core.close(config.shutdownGraceMs)
    outbound.close()
    await engine.close()
    store.close()
  }
  stopOnSignals(stop, logger)
  await app.listen({ host: config.host, port: config.port }).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  const { port } = app.server.address() as AddressInfo
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  console.log(
    `listening on http://${host}:${port} (engine ${info.name} ${info.version}, link ${info.link}; API at /docs)`,
  )
}

function openedTooLate(): SandboxError {
  return new SandboxError(
    'ENGINE_TIMEOUT',
    `the engine did not answer all that a start needs within ${OPEN_LIMIT_MS / 1000} s; see whether it is overloaded, and start again`,
  )
}

/** A disk limit that the engine can't enforce is no default; asked for by a create, the engine refuses it. */
function enforceable(config: Config, { diskLimit }: EngineInfo): Config {
  return diskLimit ? config : { ...config, defaults: { ...config.defaults, diskMb: null } }
}

/** At once: the start may still fail, and the next would find nothing wrong. */
function tellFound({ found }: Store, logger: Logger): void {
  if (found.kind !== 'whole' && found.kind !== 'new') logger.warn({ found }, 'the database is not as it was left')
}

function createEngine(config: Config, secret: Buffer, log: Logger): Engine {
  const agentBinary = config.agentBinary || join(import.meta.dirname, '..', 'build', 'agent', 'current', 'agent')
  if (!existsSync(agentBinary))
    throw new ConfigError(`the agent is not at ${agentBinary}; run \`npm run setup\`, or set K2_AGENT_BINARY`)
  const { instance, dataDir, link, dockerHost, pullTimeoutMs, unsafeNetwork } = config
  if (config.engine === 'local')
    return createLocalEngine({ agentBinary, dataDir, defaultTemplate: config.defaults.template, log })
  return createDockerEngine({
    dockerHost,
    instance,
    secret,
    dataDir,
    agentBinary,
    link,
    unsafeNetwork,
    timeouts: { pullMs: pullTimeoutMs },
    log,
  })
}

/** The first signal stops in order; a second one, or a stop that hangs, ends the process at once. */
function stopOnSignals(stop: () => Promise<void>, logger: Logger): void {
  let stopping = false
  const onSignal = (name: NodeJS.Signals) => {
    if (stopping) process.exit(1)
    stopping = true
    logger.info({ signal: name }, 'stopping; sandboxes run on')
    stop().then(
      () => process.exit(0),
      (err: unknown) => {
        logger.error({ err }, 'did not stop cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

/** One sentence for what an operator can mend; the whole error for what is our fault. */
function explain(error: unknown, config: Config | null): string {
  const { code, message, stack } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return `Port ${config?.port} on ${config?.host} is taken: stop what listens there, or choose another with K2_PORT.`
  if (code === 'EACCES' && config)
    return `No permission to listen on ${config.host}:${config.port} or to use ${config.dataDir}: choose K2_PORT above 1023 and a K2_DATA_DIR of your own.`
  if (code === 'EADDRNOTAVAIL') return `${config?.host} is not an address of this machine: set K2_HOST to one that is.`
  if (code === 'ENOSPC')
    return `The disk of ${config?.dataDir} is full: free some space, or set K2_DATA_DIR to another disk.`
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `K2_HOST is ${config?.host}, which is no address of this machine: set it to 127.0.0.1 or another.`
  if ((code === 'ENOTDIR' || code === 'EEXIST' || code === 'ENOENT') && config && !(error instanceof SandboxError))
    return `${config.dataDir} can't be used as a folder: set K2_DATA_DIR to one that is, or can be made.`
  if (error instanceof ConfigError || error instanceof SandboxError) return message
  return error instanceof Error && error.cause !== undefined ? message : (stack ?? String(error))
}

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(helpText())
} else {
  let config: Config | null = null
  try {
    config = readConfig(process.env, process.argv.slice(2))
    await start(config)
  } catch (error) {
    console.error(explain(error, config))
    process.exit(1)
  }
}
