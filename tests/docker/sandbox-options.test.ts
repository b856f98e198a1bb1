import { describe, expect, test } from 'vitest'
import { DEBIAN_IMAGE } from '../../scripts/setup/debian-base.ts'
import { useServer } from '../support/live.ts'

const live = useServer({
  settings: { K2_MAX_CPUS: '2', K2_MAX_MEMORY_MB: '1024', K2_MAX_PIDS: '600', K2_MAX_TIMEOUT: '3600' },
})

test('user, folder, environment, metadata, limits and network of a create are those of the sandbox, seen from inside too', async () => {
  const made = await live.api.create({
    user: 'root',
    cwd: '/srv/new folder/deep',
    envs: { GREETING: 'grüße' },
    metadata: { team: 'search', 'k2.id': 'x', __proto: '1' },
    resources: { cpus: 0.5, memory_mb: 256, pids: 150 },
    network: 'none',
    on_timeout: 'stop',
    timeout: 77,
    name: 'with.all_options-1',
  })
  expect(made).toMatchObject({
    user: 'root',
    cwd: '/srv/new folder/deep',
    metadata: { team: 'search', 'k2.id': 'x', __proto: '1' },
    resources: { cpus: 0.5, memory_mb: 256, pids: 150, disk_mb: null },
    network: 'none',
    on_timeout: 'stop',
    timeout: 77,
    name: 'with.all_options-1',
  })
  expect(JSON.stringify(made)).not.toContain('grüße')
  const id = made.sandbox_id
  expect(await live.api.output(id, 'id -un; pwd; echo $GREETING; stat -c %U .')).toBe(
    'root\n/srv/new folder/deep\ngrüße\nroot',
  )
  const group = async (v1: string, v2: string) =>
    live.api.output(id, `cat /sys/fs/cgroup/${v1} 2>/dev/null || cat /sys/fs/cgroup/${v2}`)
  expect(await group('memory/memory.limit_in_bytes', 'memory.max')).toBe(String(256 * 1024 * 1024))
  expect(await group('pids/pids.max', 'pids.max')).toBe('150')
  expect(await group('cpu/cpu.cfs_quota_us', 'cpu.max')).toMatch(/^50000( 100000)?$/)
  expect(await live.api.output(id, "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '")).toBe('lo')
  await live.api.delete(id)
})

test('what was chosen holds after a restart of the sandbox', async () => {
  const { sandbox_id: id } = await live.api.create({ user: 'root', cwd: '/srv/x', envs: { A: 'b' }, network: 'none' })
  await live.api.action(id, 'restart')
  expect(await live.api.output(id, 'echo $(id -un) $(pwd) $A; ls /sys/class/net')).toBe('root /srv/x b\nlo')
  await live.api.delete(id)
})

test.each([
  [{ resources: { cpus: 2.5 } }, ['body', 'resources', 'cpus'], '2 at most (K2_MAX_CPUS)'],
  [{ resources: { memory_mb: 2048 } }, ['body', 'resources', 'memory_mb'], '1024 at most (K2_MAX_MEMORY_MB)'],
  [{ resources: { memory_mb: 8 } }, ['body', 'resources', 'memory_mb'], 'at least'],
  [{ resources: { pids: 601 } }, ['body', 'resources', 'pids'], '600 at most (K2_MAX_PIDS)'],
  [{ resources: { disk_mb: 1_000_000_000 } }, ['body', 'resources', 'disk_mb'], 'K2_MAX_DISK_MB'],
  [{ resources: { gpus: 1 } }, ['body', 'resources', 'gpus'], 'extra fields not permitted'],
  [{ resources: 5 }, ['body', 'resources'], 'dict'],
  [{ timeout: 3601 }, ['body', 'timeout'], '3600 at most (K2_MAX_TIMEOUT)'],
  [{ timeout: -1 }, ['body', 'timeout'], 'at least 0'],
  [{ timeout: 1.5 }, ['body', 'timeout'], 'integer'],
  [{ network: 'host' }, ['body', 'network'], 'internet, none'],
  [{ on_timeout: 'explode' }, ['body', 'on_timeout'], 'delete, stop'],
  [{ name: 'Not A Name' }, ['body', 'name'], 'a-z'],
  [{ cwd: 'relative' }, ['body', 'cwd'], ''],
  [{ user: 'a b' }, ['body', 'user'], ''],
  [{ user: '-o' }, ['body', 'user'], ''],
])('%j is refused with its place', async (body, loc, words) => {
  const problem = await live.api.refused('POST', '/sandboxes', body)
  expect(problem).toMatchObject({
    status: 422,
    code: 'VALIDATION_FAILED',
    errors: [{ loc, msg: expect.any(String), type: expect.any(String) }],
  })
  expect(`${problem.detail} ${problem.errors?.[0]?.msg}`).toContain(words)
})

describe('a create that can not be', () => {
  test.each([
    [{ template: 'k2test/does-not-exist:1' }, 404, 'TEMPLATE_NOT_FOUND', 'k2test/does-not-exist:1'],
    [{ template: 'Not/An//Image' }, 400, 'TEMPLATE_INVALID', 'Not/An//Image'],
    [{ template: '../../etc/passwd' }, 400, 'TEMPLATE_INVALID', ''],
    [{ template: 'a:b:c' }, 400, 'TEMPLATE_INVALID', 'a:b:c'],
    [{ user: 'nobody-here' }, 400, 'USER_NOT_FOUND', 'nobody-here'],
    [{ cwd: '/etc/passwd' }, 400, 'CWD_NOT_A_DIRECTORY', '/etc/passwd'],
    [{ cwd: '/root/x' }, 400, 'CWD_NOT_ACCESSIBLE', '/root/x'],
    [{ user: '9999' }, 400, 'CWD_NOT_ACCESSIBLE', '9999'],
  ])('%j answers %d and leaves nothing behind', async (body, status, code, named) => {
    const before = await live.api.list()
    expect(await live.api.refused('POST', '/sandboxes', body)).toMatchObject({
      status,
      code,
      detail: expect.stringContaining(named),
    })
    expect(await live.api.list()).toEqual(before)
  })
})

describe('users', () => {
  test('a user that the image does not know has the folder that is made for it as home, after a restart too', async () => {
    const { sandbox_id: id } = await live.api.create({ template: DEBIAN_IMAGE })
    expect(await live.api.output(id, 'id -u; pwd; echo $HOME; touch ~/mine && echo written')).toBe(
      '1000\n/home/user\n/home/user\nwritten',
    )
    await live.api.action(id, 'restart')
    expect(await live.api.output(id, 'echo $HOME')).toBe('/home/user')
    await live.api.delete(id)
  })

  test('one who has shut himself out of his folder can still start the sandbox, and root lets him in again', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.output(id, 'chmod 0 /home/user', { user: 'root', cwd: '/' })
    expect(await live.api.action(id, 'restart')).toMatchObject({ status: 'running' })
    expect(await live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'true' })).toMatchObject({
      code: 'CWD_NOT_ACCESSIBLE',
    })
    await live.api.output(id, 'chmod 700 /home/user', { user: 'root', cwd: '/' })
    expect(await live.api.output(id, 'pwd')).toBe('/home/user')
    await live.api.delete(id)
  })

  test('a command runs as the user it names, by name or number, with group or without', async () => {
    const { sandbox_id: id } = await live.api.create()
    const as = (user: string) => live.api.output(id, 'id -u; id -g; echo $HOME', { user, cwd: '/' })
    expect(await live.api.output(id, 'id -un; echo $HOME $USER $LOGNAME')).toBe('user\n/home/user user user')
    expect(await as('root')).toBe('0\n0\n/root')
    expect(await as('nobody')).toMatch(/^65534\n65534\n/)
    expect(await as('1234:4321')).toMatch(/^1234\n4321\n/)
    expect(await as('user:root')).toMatch(/^1000\n0\n/)
    expect(await live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'id', user: 'ghost' })).toMatchObject({
      status: 400,
      code: 'USER_NOT_FOUND',
      detail: expect.stringContaining('ghost'),
    })
    expect(
      await live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'id', user: 'user:ghosts' }),
    ).toMatchObject({ status: 400, code: 'USER_NOT_FOUND' })
    expect(await live.api.refused('POST', `/sandboxes/${id}/command`, { command: 'id', cwd: '/root' })).toMatchObject({
      status: 400,
      code: 'CWD_NOT_ACCESSIBLE',
    })
    await live.api.delete(id)
  })
})
