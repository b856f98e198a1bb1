/** Ports of the way out: below those that kernels give to connections. */
const FIRST = 20_000
const PORTS = 12_000

/** The port of a sandbox's way out, on its loopback: the same for its whole life, and another for each, for engines without networks of their own. */
export function wayOutPort(id: string): number {
  let hash = 0
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) % 1_000_003
  return FIRST + (hash % PORTS)
}

const AROUND = 'localhost,127.0.0.1,::1'

/** What programs find the way out by. */
export function proxyVariables(id: string): Record<string, string> {
  const proxy = `http://127.0.0.1:${wayOutPort(id)}`
  return {
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: AROUND,
    no_proxy: AROUND,
    NODE_USE_ENV_PROXY: '1',
  }
}
