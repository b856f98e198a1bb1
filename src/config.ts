/** The only reader of the environment and the command line; gives one frozen Config. */
import { availableParallelism, homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { Value } from '@sinclair/typebox/value'
import { Settings } from '../schemas/settings.ts'
import { networksOf } from './lib/networks.ts'

/** The settings with units in their names, paths resolved and lists split. */
export interface Config {
  host: string
  port: number
  dataDir: string
  instance: string
  engine: 'docker' | 'local'
  dockerHost: string
  link: 'auto' | 'dial' | 'exec'
  /** Empty: the one that set-up built. */
  agentBinary: string
  unsafeNetwork: boolean
  allowedHosts: string[]
  allowedOrigins: string[]
  /** Empty: none. */
  previewDomain: string
  logLevel: string
  defaults: {
    template: string
    timeoutSeconds: number
    cpus: number
    memoryMb: number
    pids: number
    diskMb: number | null
    outputBytes: number
  }
  limits: {
    timeoutSeconds: number
    /** null: no end. */
    lifetimeSeconds: number | null
    cpus: number
    memoryMb: number
    pids: number
    diskMb: number
    outputBytes: number
    fileBytes: number
    uploadBytes: number
    bufferBytes: number
    sandboxes: number
    volumes: number
    snapshots: number
    starts: number
    queuedStarts: number
  }
  /** `size` of the default template's; `idleMs` of all pools, 0: never drained; `most`: of all together. */
  pool: { size: number; idleMs: number; most: number }
  /** How many of the latest events stay, at least. */
  eventsKept: number
  /** Beside the public internet. */
  webhookNetworks: string[]
  builds: {
    atOnce: number
    queued: number
    timeoutMs: number
    addedBytes: number
    logBytes: number
    cacheBytes: number
    templates: number
  }
  startTimeoutMs: number
  pullTimeoutMs: number
  stopGraceMs: number
  shutdownGraceMs: number
}

/** A setting that can't be used. `message` names it and says what it may be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

type SettingName = keyof Settings
type Property = { description?: string; default?: unknown; type?: string; anyOf?: { const: string }[] }

const properties = Settings.properties as Record<SettingName, Property>
const names = Object.keys(properties) as SettingName[]
const flagOf = (name: SettingName) => `--${name.toLowerCase().replaceAll('_', '-')}`

/** Reads settings from `env` (K2_*) and `argv` (`--port 8000`, `--port=8000`, `--unsafe-listen`); flags win. Throws ConfigError. */
export function readConfig(env: Record<string, string | undefined>, argv: string[]): Config {
  const given = { ...fromEnvironment(env), ...fromFlags(argv) }
  const typed = Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, typedValue(properties[name as SettingName], text)]),
  )
  const settings = Value.Default(Settings, typed) as Settings
  const fault = Value.Errors(Settings, settings).First()
  if (fault) {
    const name = fault.path.slice(1).split('/')[0] as SettingName
    throw notPossible(name, given[name], expectation(properties[name], fault.message))
  }
  checkRelations(settings, given)
  return Object.freeze(toConfig(settings, env))
}

function notPossible(name: SettingName, got: string | undefined, why: string): ConfigError {
  return new ConfigError(
    `K2_${name} is "${got}", which is not possible: ${why}. ${properties[name].description ?? ''}`.trim(),
  )
}

/** A union's own message names none of its members. */
function expectation({ anyOf }: Property, message: string): string {
  return anyOf ? `expected one of ${anyOf.map((one) => one.const).join(', ')}` : message
}

const LIMIT_OF: Partial<Record<SettingName, SettingName>> = {
  DEFAULT_TIMEOUT: 'MAX_TIMEOUT',
  DEFAULT_CPUS: 'MAX_CPUS',
  DEFAULT_MEMORY_MB: 'MAX_MEMORY_MB',
  DEFAULT_PIDS: 'MAX_PIDS',
  DEFAULT_DISK_MB: 'MAX_DISK_MB',
  DEFAULT_OUTPUT_KB: 'MAX_OUTPUT_KB',
}

/** A default that was asked for must be within its limit. The built-in ones follow a lower limit. */
function checkRelations(settings: Settings, given: Partial<Record<SettingName, string>>): void {
  for (const [name, limit] of Object.entries(LIMIT_OF) as [SettingName, SettingName][]) {
    // MAX_CPUS 0 is the machine's.
    const most = Number(settings[limit]) || (limit === 'MAX_CPUS' ? availableParallelism() : 0)
    if (given[name] !== undefined && Number(settings[name]) > most)
      throw notPossible(name, given[name], `it is above K2_${limit}, which is ${most}`)
  }
  for (const host of split(settings.ALLOWED_HOSTS)) {
    if (!/^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/i.test(host))
      throw notPossible('ALLOWED_HOSTS', given.ALLOWED_HOSTS, `"${host}" is no host name; leave scheme and port out`)
  }
  const fault = networkFault(split(settings.WEBHOOK_NETWORKS))
  if (fault !== null) throw notPossible('WEBHOOK_NETWORKS', given.WEBHOOK_NETWORKS, fault)
  for (const origin of split(settings.ALLOWED_ORIGINS)) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw notPossible(
        'ALLOWED_ORIGINS',
        given.ALLOWED_ORIGINS,
        `"${origin}" is no origin; write it as https://console.example`,
      )
  }
}

function networkFault(networks: string[]): string | null {
  try {
    networksOf(networks)
    return null
  } catch (error) {
    return (error as RangeError).message
  }
}

/** What is no boolean or number stays text, for the schema to refuse. */
function typedValue({ type }: Property, text: string): unknown {
  if (type === 'boolean') return { true: true, '1': true, false: false, '0': false }[text] ?? text
  if (type === 'integer' || type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
  return text
}

function fromEnvironment(env: Record<string, string | undefined>): Partial<Record<SettingName, string>> {
  const given: Partial<Record<SettingName, string>> = {}
  for (const [key, value] of Object.entries(env)) {
    if (!key.startsWith('K2_') || value === undefined || value === '') continue
    const name = key.slice(3) as SettingName
    if (key.startsWith('K2_TEST_')) continue // the suite's own, see tests/setup
    if (!names.includes(name)) throw new ConfigError(`${key} is not a setting; see --help for those there are`)
    given[name] = value
  }
  return given
}

function fromFlags(argv: string[]): Partial<Record<SettingName, string>> {
  const given: Partial<Record<SettingName, string>> = {}
  const rest = [...argv]
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [flag, inline] = argument.split(/=(.*)/s, 2)
    const name = names.find((candidate) => flagOf(candidate) === flag)
    if (!name) throw new ConfigError(`${argument} is not an option; see --help for those there are`)
    const value = inline ?? (properties[name].type === 'boolean' ? 'true' : rest.shift())
    if (value === undefined) throw new ConfigError(`${flag} needs a value`)
    given[name] = value
  }
  return given
}

function toConfig(settings: Settings, env: Record<string, string | undefined>): Config {
  if (!settings.UNSAFE_LISTEN && !isLoopback(settings.HOST)) {
    throw new ConfigError(
      `K2_HOST is ${settings.HOST}, which other machines can reach, and this server has no API keys yet: whoever reaches it owns every sandbox. ` +
        'Listen on 127.0.0.1 behind a proxy that authenticates, or set K2_UNSAFE_LISTEN=1 if the network is yours alone.',
    )
  }
  if (settings.ENGINE === 'local' && !isLoopback(settings.HOST)) {
    throw new ConfigError('K2_ENGINE=local isolates nothing and listens on loopback only; set K2_HOST=127.0.0.1')
  }
  const dataDir = settings.DATA_DIR || join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'k2-sandbox')
  const maxCpus = settings.MAX_CPUS || availableParallelism()
  return {
    host: settings.HOST,
    port: settings.PORT,
    dataDir: resolve(dataDir),
    instance: settings.INSTANCE,
    engine: settings.ENGINE,
    dockerHost: settings.DOCKER_HOST || env.DOCKER_HOST || 'unix:///var/run/docker.sock',
    link: settings.LINK,
    agentBinary: settings.AGENT_BINARY,
    unsafeNetwork: settings.UNSAFE_NETWORK,
    allowedHosts: split(settings.ALLOWED_HOSTS),
    allowedOrigins: split(settings.ALLOWED_ORIGINS),
    previewDomain: settings.PREVIEW_DOMAIN,
    logLevel: settings.LOG_LEVEL,
    defaults: {
      template: settings.DEFAULT_TEMPLATE,
      timeoutSeconds: Math.min(settings.DEFAULT_TIMEOUT, settings.MAX_TIMEOUT),
      cpus: Math.min(settings.DEFAULT_CPUS, maxCpus),
      memoryMb: Math.min(settings.DEFAULT_MEMORY_MB, settings.MAX_MEMORY_MB),
      pids: Math.min(settings.DEFAULT_PIDS, settings.MAX_PIDS),
      diskMb: Math.min(settings.DEFAULT_DISK_MB, settings.MAX_DISK_MB) || null,
      outputBytes: Math.min(settings.DEFAULT_OUTPUT_KB, settings.MAX_OUTPUT_KB) * 1024,
    },
    limits: {
      timeoutSeconds: settings.MAX_TIMEOUT,
      lifetimeSeconds: settings.MAX_LIFETIME || null,
      cpus: maxCpus,
      memoryMb: settings.MAX_MEMORY_MB,
      pids: settings.MAX_PIDS,
      diskMb: settings.MAX_DISK_MB,
      outputBytes: settings.MAX_OUTPUT_KB * 1024,
      fileBytes: settings.MAX_FILE_MB * 1024 * 1024,
      uploadBytes: settings.MAX_UPLOAD_MB * 1024 * 1024,
      bufferBytes: settings.BUFFER_MB * 1024 * 1024,
      sandboxes: settings.MAX_SANDBOXES,
      volumes: settings.MAX_VOLUMES,
      snapshots: settings.MAX_SNAPSHOTS,
      starts: settings.MAX_STARTS,
      queuedStarts: settings.MAX_QUEUED_STARTS,
    },
    pool: { size: settings.POOL_SIZE, idleMs: settings.POOL_IDLE * 1000, most: settings.MAX_POOLED },
    eventsKept: settings.EVENTS_KEPT,
    webhookNetworks: split(settings.WEBHOOK_NETWORKS),
    builds: {
      atOnce: settings.MAX_BUILDS,
      queued: settings.MAX_QUEUED_BUILDS,
      timeoutMs: settings.BUILD_TIMEOUT * 1000,
      addedBytes: settings.MAX_TEMPLATE_MB * 1024 * 1024,
      logBytes: settings.BUILD_LOG_KB * 1024,
      cacheBytes: settings.BUILD_CACHE_MB * 1024 * 1024,
      templates: settings.MAX_TEMPLATES,
    },
    startTimeoutMs: settings.START_TIMEOUT * 1000,
    pullTimeoutMs: settings.PULL_TIMEOUT * 1000,
    stopGraceMs: settings.STOP_GRACE * 1000,
    shutdownGraceMs: settings.SHUTDOWN_GRACE * 1000,
  }
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)

const split = (list: string) =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** The text of `--help`: usage and every setting with its default. */
export function helpText(): string {
  const lines = names.map((name) => {
    const { description = '', default: fallback } = properties[name]
    const shown = fallback === '' ? '' : ` [${String(fallback)}]`
    return `  ${flagOf(name).padEnd(22)} K2_${name.padEnd(20)} ${description}${shown}`
  })
  return [
    'Usage: npm start -- [options]',
    '',
    'Each option can be given as a flag or as a variable; flags win. Defaults in brackets.',
    '',
    ...lines,
  ].join('\n')
}

/** The README's configuration table, checked against it by a test. */
export function settingsTable(): string {
  const rows = names.map((name) => {
    const { description = '', default: fallback } = properties[name]
    return `| \`K2_${name}\` | ${fallback === '' ? '' : `\`${String(fallback)}\``} | ${description.replaceAll('|', '\\|')} |`
  })
  return ['| setting | default | meaning |', '| --- | --- | --- |', ...rows].join('\n')
}
