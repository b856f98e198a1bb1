import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { containerOf, openEngine } from '../support/engine.ts'
import { Server } from '../support/server.ts'
import { openHarness } from './engine-harness.ts'
import { canMakeNetworkLab, HOST_ADDRESSES, makeNetworkLab, TARGETS } from './network-lab.ts'
import { canRunOwnEngine, startOwnEngine } from './own-engine.ts'

/** Run inside: what a connection to each address gives, in order. */
function tries(addresses: [string, number][]): string {
  return `python3 - <<'END'
import socket
from concurrent.futures import ThreadPoolExecutor
def tcp(target):
    try:
        with socket.create_connection(target, 1) as s: return s.recv(7).decode() or 'reached'
    except OSError: return 'closed'
print(*ThreadPoolExecutor(16).map(tcp, ${JSON.stringify(addresses).replaceAll('[', '(').replaceAll(']', ')').replace(/^\(/, '[').replace(/\)$/, ']')}))
END`
}

describe.skipIf(!canMakeNetworkLab())('the network internet', () => {
  const { docker, close } = openEngine()
  const host = createServer((socket) => socket.end('reached'))
  let lab: AsyncDisposable
  let server: Server
  let id: string
  let hostPort: number
  const outcomes = async (addresses: [string, number][]) => (await server.api.output(id, tries(addresses))).split(' ')
  const closed = (addresses: unknown[]) => addresses.map(() => 'closed')

  beforeAll(async () => {
    lab = await makeNetworkLab()
    host.listen(0, '0.0.0.0')
    await once(host, 'listening')
    hostPort = (host.address() as { port: number }).port
    server = await Server.start()
    id = (await server.api.create()).sandbox_id
  })
  afterAll(async () => {
    await server?.dispose()
    host.close()
    await lab?.[Symbol.asyncDispose]()
    close()
  })

  const bridge = async () => {
    const { Options } = await docker.getNetwork(`k2-${server.instance}`).inspect()
    return Options?.['com.docker.network.bridge.name'] ?? ''
  }
  const { internet, ...inside } = TARGETS
  const forbidden = Object.values(inside).map((address): [string, number] => [address, 8000])

  test('reaches what is on the internet, and neither metadata, private networks nor neighbours of the host', async () => {
    expect(await outcomes([[internet, 8000]])).toEqual(['reached'])
    expect(await outcomes(forbidden)).toEqual(closed(forbidden))
  })

  test('reaches no listener of the host at any of its addresses', async () => {
    const own = Object.values(networkInterfaces()).flatMap((all = []) => all.filter(({ family }) => family === 'IPv4'))
    const addresses = new Set(
      [...own.map(({ address }) => address), ...HOST_ADDRESSES].filter((one) => !/^127/.test(one)),
    )
    const gateway = await server.api.output(id, 'awk \'$2 == "00000000" {print $3}\' /proc/net/route')
    const dotted = Buffer.from(gateway, 'hex').reverse().join('.')
    expect(addresses).toContain(dotted)
    const targets = [...addresses].map((address): [string, number] => [address, hostPort])
    expect(await outcomes(targets)).toEqual(closed(targets))
    // Docker's API and SSH, wherever they listen.
    const others = [22, 2375].map((port): [string, number] => [dotted, port])
    expect(await outcomes(others)).toEqual(closed(others))
  })

  test('reaches no other sandbox, neither by its address nor by its name', async () => {
    const { sandbox_id: other } = await server.api.create()
    await server.api.command(other, { command: 'setsid python3 -m http.server 8000 >/dev/null 2>&1 & sleep 0.5' })
    const { Name, NetworkSettings } = await (await containerOf(docker, server.instance, other)).inspect()
    const address = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? ''
    const targets: [string, number][] = [
      [address, 8000],
      [Name.slice(1), 8000],
    ]
    expect(await outcomes(targets)).toEqual(closed(targets))
    await server.api.delete(other)
  })

  test('has no IPv6, and resolvers of others are no way around', async () => {
    expect(await server.api.output(id, 'grep -v " lo$" /proc/net/if_inet6 || echo none')).toBe('none')
    const ask = (address: string) => `python3 - <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1.5)
try:
    s.sendto(b'?', ('${address}', 53)); print(s.recv(9).decode())
except OSError: print('closed')
END`
    expect(await server.api.output(id, ask(internet))).toBe('reached')
    expect(await server.api.output(id, ask(TARGETS.private10))).toBe('closed')
    expect(await server.api.output(id, ask(TARGETS.metadata))).toBe('closed')
  })

  test('root inside can change none of it', async () => {
    const attempt = 'ip route add 10.213.77.0/30 dev eth0; ip addr add 10.9.9.9/8 dev eth0; iptables -F; true'
    await server.api.command(id, { command: attempt, user: 'root' })
    expect(await outcomes(forbidden)).toEqual(closed(forbidden))
  })

  test('resolves names, and packages can be installed, where the host can', async () => {
    const url = 'http://deb.debian.org/debian/dists/trixie/InRelease'
    const there = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
      ({ ok }) => ok,
      () => false,
    )
    if (!there) return
    const { exit_code, stderr } = await server.api.command(id, { command: 'apt-get update', user: 'root', timeout: 60 })
    expect({ exit_code, stderr }).toMatchObject({ exit_code: 0 })
  })

  test('is taken away and given back while the sandbox runs, and stays so over starts and a crash', async () => {
    const there = () => outcomes([[internet, 8000]])
    expect(await server.api.update(id, { network: 'none' })).toMatchObject({ network: 'none' })
    expect(await there()).toEqual(['closed'])
    await server.api.action(id, 'restart')
    expect(await there()).toEqual(['closed'])
    // As after a crash between what is written down and what the engine was told.
    const container = (await containerOf(docker, server.instance, id)).id
    await docker.getNetwork('none').disconnect({ Container: container, Force: true })
    await docker.getNetwork(`k2-${server.instance}`).connect({ Container: container })
    expect(await there()).toEqual(['reached'])
    // What closes the rest is the rules; those that somebody removed are back with the server.
    execFileSync('build/agent/current/agent', ['network', 'remove', await bridge()])
    expect(await outcomes([[TARGETS.metadata, 8000]])).toEqual(['reached'])
    await server.kill()
    await server.startAgain()
    expect(await there()).toEqual(['closed'])
    await server.api.action(id, 'stop')
    expect(await server.api.update(id, { network: 'internet' })).toMatchObject({
      network: 'internet',
      status: 'stopped',
    })
    await server.api.action(id, 'start')
    expect(await there()).toEqual(['reached'])
    expect(await outcomes(forbidden)).toEqual(closed(forbidden))
  })

  test('servers of other instances leave the rules alone, and take those of bridges that are gone with them', async () => {
    await using other = await openHarness()
    const name = `k2-${other.instance}`
    const { Options } = await docker.getNetwork(name).inspect()
    await docker.getNetwork(name).remove()
    await using _third = await openHarness()
    expect(await outcomes(forbidden)).toEqual(closed(forbidden))
    const gone = Options?.['com.docker.network.bridge.name'] ?? ''
    expect(() => execFileSync('build/agent/current/agent', ['network', 'remove', gone], { stdio: 'pipe' })).toThrow()
  })
})

describe.skipIf(!canRunOwnEngine())('an engine on whose host the rules do not hold', () => {
  test('refuses internet with the reason, gives none, and gives the bare bridge only when that is asked for', async () => {
    await using own = await startOwnEngine()
    const sysctl = 'net.bridge.bridge-nf-call-iptables=0'
    execFileSync('nsenter', ['--net', '--target', String(own.pid), 'sysctl', '-qw', sysctl])
    await using harness = await openHarness({ dockerHost: own.host })
    const template = await harness.engine.resolveTemplate('k2-scratch:1')
    const refused = { code: 'NOT_SUPPORTED_BY_ENGINE', message: expect.stringMatching(/br_netfilter/) }
    await expect(harness.sandbox({ template, network: 'internet' })).rejects.toMatchObject(refused)
    const { id, ref } = await harness.sandbox({ template })
    await harness.engine.remove(id, ref)

    const unsafe = harness.another({ unsafeNetwork: true })
    await unsafe.open()
    const made = await harness.spec({ template, network: 'internet' })
    const { ref: open } = await unsafe.create(made)
    // Made while that was allowed, it does not start where it is not.
    await expect(harness.engine.start(made.id, open)).rejects.toMatchObject(refused)
    await unsafe.start(made.id, open)
    await unsafe.remove(made.id, open)
  })
})
