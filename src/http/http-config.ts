/** What the HTTP edge can be told. Everything has a default; main.ts fills in what the settings say. */
export interface HttpConfig {
  /** Host names, without port, that requests may name beside 127.0.0.1, localhost and [::1]. */
  allowedHosts: string[]
  /** Origins (`https://console.example`) whose pages may call, beside our own. */
  allowedOrigins: string[]
  /** Sites of sandboxes are below it; empty: there are none. */
  previewDomain: string
  /** How long `close` waits for requests in flight before it cuts their connections. */
  shutdownGraceMs: number
  /** Largest body of a request. */
  bodyLimitBytes: number
  /** The same for the filesystem route, whose body holds a file. */
  fileBodyLimitBytes: number
  /** How long a whole request may take to arrive. */
  requestTimeoutMs: number
  /** How long its headers may take. */
  headersTimeoutMs: number
  /** How long an idle connection is kept. */
  keepAliveTimeoutMs: number
  /** All headers of a request together, request line included. */
  maxHeaderBytes: number
  /** Bodies, outputs and files that all requests together may hold. */
  bufferBytes: number
  /** An answer of which the client has taken nothing for so long is cut. */
  stalledMs: number
  /** An answer that comes as it happens has a sign of life after so long without an event. */
  heartbeatMs: number
  /** All schemas are compiled at the start instead of by their first use: for a look at whether they can be. */
  compileAtStart: boolean
  /** Connections at once; more are dropped by the kernel's hand. */
  maxConnections: number
}

const MIB = 1024 * 1024

export const HTTP_DEFAULTS: HttpConfig = {
  allowedHosts: [],
  allowedOrigins: [],
  previewDomain: 'localhost',
  shutdownGraceMs: 10_000,
  bodyLimitBytes: 16 * MIB,
  fileBodyLimitBytes: 64 * MIB,
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 65_000,
  maxHeaderBytes: 16 * 1024,
  bufferBytes: 256 * MIB,
  stalledMs: 60_000,
  heartbeatMs: 15_000,
  compileAtStart: false,
  maxConnections: 4096,
}
