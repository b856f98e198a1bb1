import { lookup } from 'node:dns/promises'
import { expect, test } from 'vitest'
import type { EgressState } from '../../schemas/egress.ts'
import { useServer } from '../support/live.ts'

const live = useServer()

test('packages are installed through the list; the way out is open again after a crash of the server', async () => {
  const host = 'deb.debian.org'
  // A mirror of the test machine's own may have an address that is not of the internet: those are allowed by network.
  const mirrors = await lookup(host, { all: true, family: 4 }).catch(() => [])
  const allow = [{ host: '*.debian.org' }, ...mirrors.map(({ address }) => ({ cidr: `${address}/32` }))]
  const { sandbox_id: id } = await live.api.create({ egress: { allow } })
  expect(await live.api.output(id, 'cat /proc/net/route | wc -l')).toBe('1')
  const there = await fetch(`http://${host}/debian/dists/trixie/InRelease`, { signal: AbortSignal.timeout(5000) }).then(
    ({ ok }) => ok,
    () => false,
  )
  if (there) {
    const { exit_code, stderr } = await live.api.command(id, { command: 'apt-get update', user: 'root', timeout: 90 })
    expect({ exit_code, stderr }).toMatchObject({ exit_code: 0 })
  }
  const status = () => live.api.output(id, "curl -s -o /dev/null -w '%{http_code}' http://example.com/ || true")
  expect(await status()).toBe('403')
  await live.server.kill()
  await live.server.startAgain()
  expect(await status()).toBe('403')
  const { allow: told, decisions } = await live.api.json<EgressState>('GET', `/sandboxes/${id}/egress`)
  expect(told[0]).toMatchObject({ host: '*.debian.org', ports: [80, 443] })
  expect(decisions).toMatchObject([{ host: 'example.com', allowed: false }])
  await live.api.delete(id)
})
