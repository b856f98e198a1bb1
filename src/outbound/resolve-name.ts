import { Resolver } from 'node:dns/promises'

/** Two rounds of this. */
const QUERY_MS = 3000
const TRIES = 2

/**
 * All addresses of a name, by DNS; at least one. Not by the system's resolver: that one would hold a thread of the few that files
 * need as well, for as long as a name server of a stranger likes.
 */
export async function resolveName(host: string, { signal }: { signal?: AbortSignal | undefined }): Promise<string[]> {
  if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1']
  const resolver = new Resolver({ timeout: QUERY_MS, tries: TRIES })
  const cancel = () => resolver.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const addresses = [four, six].flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (addresses.length === 0 && four.status === 'rejected') throw four.reason
    return addresses
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
