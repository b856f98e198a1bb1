import { describe, expect, test } from 'vitest'
import { containerOf } from '../support/engine.ts'
import { LINKS, useEngine, useSandbox, useServer } from '../support/live.ts'

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })
  const box = useSandbox(live)
  const engine = useEngine()
  const statusOf = async (user: string) => {
    const status = await live.api.output(box.id, 'cat /proc/self/status', { user })
    return Object.fromEntries(status.split('\n').map((line) => line.split(/:\s+/)))
  }

  test('a command has no capability, gains none, and is filtered', async () => {
    expect(await statusOf('user')).toMatchObject({
      CapEff: '0000000000000000',
      CapPrm: '0000000000000000',
      CapAmb: '0000000000000000',
      NoNewPrivs: '1',
      Seccomp: '2',
    })
  })

  test('root inside has no more than the seven capabilities it was given', async () => {
    const seven = (1n << 0n) | (1n << 1n) | (1n << 3n) | (1n << 4n) | (1n << 5n) | (1n << 6n) | (1n << 7n)
    const { CapEff = '', CapBnd = '', NoNewPrivs, Seccomp } = await statusOf('root')
    expect(BigInt(`0x${CapEff}`) & ~seven).toBe(0n)
    expect(BigInt(`0x${CapBnd}`) & ~seven).toBe(0n)
    expect({ NoNewPrivs, Seccomp }).toEqual({ NoNewPrivs: '1', Seccomp: '2' })
  })

  test.each([
    ['mount', 'mount -t tmpfs none /mnt'],
    ['make a device', 'mknod /tmp/dev b 8 0'],
    ['make a user namespace', 'unshare -U true'],
    ['change the host name', 'hostname other'],
    ['write to /proc/sys', 'echo 1 > /proc/sys/kernel/panic'],
    ['write to the agent', 'echo x >> /.k2/agent'],
    ['remove the agent', 'rm -f /.k2/agent'],
    ['read the memory of the agent', 'head -c1 /proc/1/mem || head -c1 /proc/1/environ'],
    ['follow the open files of the agent', 'readlink /proc/1/fd/0 /proc/1/fd/3 /proc/1/exe'],
    ['trace the agent', 'python3 -c "import ctypes; exit(0 if ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 else 1)"'],
    ['open a raw socket', 'python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"'],
    ['load a module', 'python3 -c "import ctypes; exit(0 if ctypes.CDLL(None).syscall(175, 0, 0, 0) == 0 else 1)"'],
  ])('root inside can not %s', async (_, command) => {
    const { exit_code } = await live.api.command(box.id, { command, user: 'root' })
    expect(exit_code).not.toBe(0)
    expect(await live.api.output(box.id, 'echo alive')).toBe('alive')
  })

  test('signals of root do not reach the agent', async () => {
    await live.api.command(box.id, { command: 'kill -9 1; kill -STOP 1; kill -9 -1', user: 'root' })
    expect(await live.api.output(box.id, 'echo alive')).toBe('alive')
  })

  test('the token of the link and the way to the server are not in any environment', async () => {
    expect(
      await live.api.output(
        box.id,
        'cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n" | grep -i -e token -e K2_ || echo nothing',
        { user: 'root' },
      ),
    ).toBe('nothing')
  })

  test("a user's program can not talk to the agent", async () => {
    const attempt = `python3 - <<'END'
import glob, socket
for path in glob.glob('/.k2run/*') + glob.glob('/run/*.sock'):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path); s.sendall(b'K2AGENT/1 ' + b'0' * 64 + b'\\n'); s.settimeout(6); print(path, s.recv(10))
    except OSError as error:
        print('refused', type(error).__name__)
END
echo end`
    expect(await live.api.output(box.id, attempt)).not.toMatch(/OK/)
    expect(await live.api.output(box.id, attempt, { user: 'root' })).not.toMatch(/OK/)
    expect(await live.api.output(box.id, 'echo alive')).toBe('alive')
  })

  test('no port is published, nothing of the host is mounted but the link, and nothing runs with more rights', async () => {
    const { HostConfig, NetworkSettings, Mounts, Config } = await (
      await containerOf(engine.docker, live.server.instance, box.id)
    ).inspect()
    expect(HostConfig.PortBindings ?? {}).toEqual({})
    expect(
      Object.values(NetworkSettings.Ports ?? {})
        .flat()
        .filter(Boolean),
    ).toEqual([])
    expect(HostConfig).toMatchObject({
      Privileged: false,
      CapDrop: ['ALL'],
      NetworkMode: `k2-${live.server.instance}`,
      PidsLimit: 512,
    })
    expect(HostConfig.SecurityOpt).toContainEqual(expect.stringMatching(/^seccomp=\{/))
    const outside = Mounts.filter(({ Type }) => Type === 'bind').map(({ Source }) => Source)
    expect(outside.every((source) => source.startsWith(`${live.server.dataDir}/run/`))).toBe(true)
    expect(Mounts.every(({ RW }) => !RW)).toBe(true)
    expect(Config.Image).toMatch(/^sha256:/)
  })

  test('sandboxes do not reach each other over the network', async () => {
    const other = await live.api.create()
    const address = await live.api.output(other.sandbox_id, "hostname -I | cut -d' ' -f1")
    const server = live.api
      .command(other.sandbox_id, { command: 'python3 -m http.server 8000 >/dev/null 2>&1', timeout: 8 })
      .catch(() => undefined) // the deletion ends it
    const probe = (host: string) =>
      `python3 -c "import socket; socket.create_connection(('${host}', 8000), 2)" 2>/dev/null && echo reached || echo refused`
    await expect.poll(() => live.api.output(other.sandbox_id, probe('127.0.0.1')), { timeout: 5000 }).toBe('reached')
    expect(await live.api.output(box.id, probe(address))).toBe('refused')
    await live.api.delete(other.sandbox_id)
    await server
  })

  test('the host name says nothing of the container', async () => {
    expect(await live.api.output(box.id, 'hostname; cat /etc/hostname')).toBe('sandbox\nsandbox')
  })

  test('signed labels of the container hold no environment and no metadata', async () => {
    const { sandbox_id } = await live.api.create({ envs: { SECRET: 'hush-hush' }, metadata: { team: 'quiet-team' } })
    const inspected = JSON.stringify(
      await (await containerOf(engine.docker, live.server.instance, sandbox_id)).inspect(),
    )
    expect(inspected).not.toMatch(/hush-hush|quiet-team/)
    await live.api.delete(sandbox_id)
  })
})
