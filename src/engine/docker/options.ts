import type { Buffer } from 'node:buffer'

/** Where the adapter tells what the operator should know; pino's shape. */
export interface EngineLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** `dial`: the agent dials the server's socket. `exec`: `docker exec` joins the agent's socket. See design section 2. */
export type LinkKind = 'dial' | 'exec'

/** Deadlines of the calls to the engine, in milliseconds. */
export interface EngineTimeouts {
  /** Reads and small changes. */
  callMs: number
  /** create, start, stop, remove: what waits for the kernel and the disk. */
  changeMs: number
  /** Pull of one image, all layers. */
  pullMs: number
  /** Image of a sandbox's files: as long as the disk takes for all that it wrote. */
  commitMs: number
  /** `connect`: until the agent has proved itself. */
  connectMs: number
}

export const DEFAULT_TIMEOUTS: EngineTimeouts = {
  callMs: 30_000,
  changeMs: 60_000,
  pullMs: 600_000,
  commitMs: 600_000,
  connectMs: 10_000,
}

export interface DockerEngineOptions {
  /** `unix:///path`, `tcp://host:port`, `http(s)://host:port`; absent: /var/run/docker.sock. */
  dockerHost?: string | undefined
  /** This server's name on the engine: [a-zA-Z0-9][a-zA-Z0-9_.-]{0,31}. Only containers of this instance are touched. */
  instance: string
  /** Signs labels and makes the agents' tokens. Kept by the server for as long as its sandboxes live; at least 16 bytes. */
  secret: Buffer
  /** Absolute. `run/<id>/link.sock` below it is a sandbox's socket (dial). */
  dataDir: string
  /** Path of the static agent, for the engine's architecture. */
  agentBinary: string
  link: 'auto' | LinkKind
  /** The bridge is used also where its rules can't be installed. */
  unsafeNetwork?: boolean | undefined
  timeouts?: Partial<EngineTimeouts> | undefined
  log: EngineLog
}

const INSTANCE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,31}$/

/** Throws a TypeError for settings no engine can work with; the caller is the server's own start. */
export function checkOptions(options: DockerEngineOptions): void {
  if (!INSTANCE.test(options.instance)) {
    throw new TypeError(`instance ${JSON.stringify(options.instance)} must match ${INSTANCE.source}`)
  }
  if (options.secret.length < 16) throw new TypeError('the secret must have at least 16 bytes')
  if (!options.dataDir.startsWith('/')) throw new TypeError('dataDir must be an absolute path')
}
