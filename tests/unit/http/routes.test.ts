import { expect, test } from 'vitest'
import type { CommandResult, FileEntry } from '../../../src/core/model.ts'
import { SandboxError } from '../../../src/errors.ts'
import { buildTestApp, CODE, COMMAND, ENTRY, ID, LEFTOVERS, standIns } from './stand-ins.ts'

async function once(changes: Parameters<typeof buildTestApp>[0], url: string, payload?: object) {
  const app = await buildTestApp(changes)
  const answer = await app.inject(payload ? { method: 'POST', url, payload } : { url })
  await app.close()
  return answer
}

const filesystem = (files: Partial<ReturnType<typeof standIns>['files']>, payload: object) =>
  once({ files: { ...standIns().files, ...files } }, `/sandboxes/${ID}/filesystem`, payload)

test('GET / answers exactly the contract’s message', async () => {
  expect((await once({}, '/')).json()).toEqual({ message: 'K2 Sandbox Management API' })
})

test('a sandbox is shown with every member and without its environment', async () => {
  const answer = await once({}, `/sandboxes/${ID}`)
  expect(answer.json()).toEqual({
    sandbox_id: ID,
    status: 'running',
    name: null,
    reason: null,
    template: 'k2data/sandbox-base:latest',
    cwd: '/home/user',
    user: 'user',
    timeout: 300,
    created_at: '2026-01-02T03:04:05.006Z',
    expires_at: null,
    metadata: { team: 'search' },
    resources: { cpus: 1, memory_mb: 1024, pids: 512, disk_mb: null },
    network: 'internet',
    volumes: [],
    on_timeout: 'delete',
    auto_resume: false,
    max_lifetime: null,
    warm: false,
    origin: null,
  })
})

test('DELETE answers two members, kill the whole sandbox as killed', async () => {
  const app = await buildTestApp()
  expect((await app.inject({ method: 'DELETE', url: `/sandboxes/${ID}` })).json()).toEqual({
    sandbox_id: ID,
    status: 'deleted',
  })
  const killed = await app.inject({ method: 'POST', url: `/sandboxes/${ID}/actions`, payload: { action: 'kill' } })
  expect(killed.json()).toMatchObject({ sandbox_id: ID, status: 'killed', expires_at: null })
  await app.close()
})

test('readiness follows the engine, liveness does not', async () => {
  const changes = { health: { engineAvailable: () => false, info: null, leftovers: () => LEFTOVERS } }
  const ready = await once(changes, '/readyz')
  expect([ready.statusCode, ready.json().code, ready.headers['retry-after']]).toEqual([503, 'ENGINE_UNAVAILABLE', '2'])
  expect((await once(changes, '/healthz')).json().status).toBe('ok')
})

const withCommand = (result: Partial<CommandResult>, payload: object) =>
  once({ commands: { run: async () => ({ ...COMMAND, ...result }) } }, `/sandboxes/${ID}/command`, {
    command: 'x',
    ...payload,
  })

test('command: output is text, bytes that are not UTF-8 are replaced', async () => {
  const answer = await withCommand({ stdout: Buffer.from([0x61, 0xff, 0x62]), exitCode: 3 }, {})
  expect(answer.json()).toMatchObject({ stdout: 'a\u{fffd}b', exit_code: 3, execution_time: 1.5, encoding: 'utf-8' })
})

test('command: with base64 the bytes come exactly, also out of a larger buffer', async () => {
  const backing = Buffer.from([1, 2, 0xff, 0x00, 3, 4])
  const answer = await withCommand({ stdout: backing.subarray(2, 4) }, { encoding: 'base64' })
  expect(answer.json()).toMatchObject({ stdout: '/wA=', encoding: 'base64' })
})

test('code: without a display text is null and results are empty, logs have unix seconds, a null traceback stays', async () => {
  const error = { name: 'Error', value: 'x', traceback: null }
  const run = async () => ({ ...CODE, displays: [], error })
  const answer = await once({ code: { run } }, `/sandboxes/${ID}/code`, { code: 'x' })
  expect(answer.json()).toMatchObject({
    text: null,
    results: [],
    error,
    logs: { stdout: [{ line: '1\n', error: false, timestamp: 1.5 }], stderr: [] },
    created_at: '1970-01-01T00:00:01.000Z',
    finished_at: '1970-01-01T00:00:02.500Z',
    context_id: 'default-python',
    state_lost: false,
  })
})

test('code: a display is one result with all its forms; the main one gives the text', async () => {
  const shown = (data: Record<string, unknown>, main = false) => ({ data, main, displayId: null, truncated: [] })
  const displays = [
    shown({ 'text/plain': '<Figure>', 'image/png': 'iVBO', 'application/vnd.k2.chart+json': { type: 'line' } }),
    shown({ 'text/plain': '   a', 'text/html': '<table>', 'application/vnd.k2.data+json': { a: [1] } }, true),
    shown({ 'application/x.own': 'own', 'text/plain': 'plain' }),
    { ...shown({ 'text/plain': 'cut' }), displayId: 'bar', truncated: ['text/html'] },
    shown({}),
  ]
  const answer = await once({ code: { run: async () => ({ ...CODE, displays }) } }, `/sandboxes/${ID}/code`, {
    code: 'x',
  })
  const { text, results } = answer.json()
  expect(text).toBe('   a')
  expect(results).toMatchObject([
    { type: 'image/png', value: 'iVBO', png: 'iVBO', text: '<Figure>', chart: { type: 'line' }, is_main_result: false },
    { type: 'text/html', value: '<table>', html: '<table>', data: { a: [1] }, is_main_result: true, png: null },
    { type: 'application/x.own', value: 'own', raw: { 'application/x.own': 'own', 'text/plain': 'plain' } },
    { type: 'text/plain', display_id: 'bar', truncated: ['text/html'] },
    { type: 'text/plain', value: null, text: null, raw: {} },
  ])
})

test.each([
  ['POST', 'contexts', { context_id: 'default-python', run_count: 2, created_at: '1970-01-01T00:00:01.000Z' }],
  ['GET', 'contexts', { contexts: [{ context_id: 'default-python', state: 'idle' }] }],
  ['GET', 'contexts/c1', { language: 'python', version: '3.13.5' }],
  ['POST', 'contexts/c1/restart', { restart_count: 1 }],
  ['POST', 'contexts/c1/interrupt', { context_id: 'default-python' }],
  ['DELETE', 'contexts/c1', { context_id: 'c1', status: 'deleted' }],
] as const)('contexts: %s %s', async (method, path, expected) => {
  await using app = await buildTestApp()
  const answer = await app.inject({ method, url: `/sandboxes/${ID}/${path}` })
  expect(answer.statusCode).toBe(200)
  expect(answer.json()).toMatchObject(expected)
})

test('contexts: what can be no id is no context', async () => {
  await using app = await buildTestApp()
  const answer = await app.inject({ url: `/sandboxes/${ID}/contexts/${'x'.repeat(65)}` })
  expect({ status: answer.statusCode, code: answer.json().code }).toEqual({ status: 404, code: 'CONTEXT_NOT_FOUND' })
})

test('list: entries have the contract’s members and ours; what has no content has no size', async () => {
  const pipe: FileEntry = { ...ENTRY, name: 'p', type: 'fifo', sizeBytes: 0 }
  const folder: FileEntry = { ...ENTRY, name: 'd', type: 'directory', mtime: Number.MAX_SAFE_INTEGER }
  const answer = await filesystem({ list: async () => [ENTRY, pipe, folder] }, { action: 'list' })
  const { files, content, message } = answer.json()
  expect({ content, message }).toEqual({ content: null, message: null })
  expect(files[0]).toEqual({
    name: 'a.txt',
    is_dir: false,
    size: 3,
    path: '/home/user/a.txt',
    type: 'file',
    mode: 420,
    mtime: '1970-01-01T00:00:00.000Z',
    uid: 1000,
    gid: 1000,
    target: null,
    name_base64: null,
    etag: '"1-2-3"',
  })
  expect(files[1]).toMatchObject({ type: 'fifo', size: null })
  expect(files[2]).toMatchObject({ is_dir: true, mtime: '9999-12-31T23:59:59.999Z' })
})

test('read: bytes that are not text are an error that says what to do, base64 gives them', async () => {
  const read = async () => Buffer.from([0xff, 0x00])
  const asText = await filesystem({ read }, { action: 'read', path: 'x' })
  expect([asText.statusCode, asText.json().code]).toEqual([400, 'FILE_NOT_TEXT'])
  expect(asText.json().detail).toContain('base64')
  const asBytes = await filesystem({ read }, { action: 'read', path: 'x', encoding: 'base64' })
  expect(asBytes.json()).toEqual({ files: null, content: '/wA=', message: null, encoding: 'base64' })
})

test('read: text comes as it is, a byte order mark and NUL included', async () => {
  const text = '\u{feff}a\0b\r\n'
  const answer = await filesystem({ read: async () => Buffer.from(text) }, { action: 'read', path: 'x' })
  expect(answer.json().content).toBe(text)
})

test('write: text and base64 reach the core as bytes; the empty file is fine', async () => {
  const written: [string, string][] = []
  const write = async (_id: string, path: string, content: Uint8Array) =>
    void written.push([path, Buffer.from(content).toString('hex')])
  await filesystem({ write }, { action: 'write', path: 'a', content: 'é' })
  await filesystem({ write }, { action: 'write', path: 'b', content: '/wA=', encoding: 'base64' })
  const empty = await filesystem({ write }, { action: 'write', path: 'c', content: '' })
  await filesystem({ write }, { action: 'write', path: 'd', content: '', encoding: 'base64' })
  expect(written).toEqual([
    ['a', 'c3a9'],
    ['b', 'ff00'],
    ['c', ''],
    ['d', ''],
  ])
  expect(empty.json()).toEqual({ files: null, content: null, message: 'File written successfully', encoding: null })
})

test.each(['/wA', '/w A=', '_wA=', '/wB=', 'x', '====', '/wA=\n', 'AA=A', 'AA==AAAA', 'AAAA-AAA', 'AAA*AAAA', 'é==='])(
  'write: %j is not taken as base64',
  async (content) => {
    const answer = await filesystem({}, { action: 'write', path: 'a', content, encoding: 'base64' })
    expect(answer.statusCode).toBe(422)
    expect(answer.json().errors[0].loc).toEqual(['body', 'content'])
  },
)

test.each([
  [{ action: 'read' }, 'Path is required'],
  [{ action: 'read', path: '' }, 'Path is required'],
  [{ action: 'delete' }, 'Path is required'],
  [{ action: 'write', content: 'x' }, 'Path and content are required'],
  [{ action: 'write', path: 'x' }, 'Path and content are required'],
])('filesystem %j is 400 "%s"', async (payload, detail) => {
  const answer = await filesystem({}, payload)
  expect([answer.statusCode, answer.json().detail]).toEqual([400, detail])
})

test.each([{ path: 'a\0b' }, { path: 'x'.repeat(4097) }, { encoding: 'latin1' }])(
  'filesystem: case %# is 422',
  async (payload) => {
    expect((await filesystem({}, { action: 'read', path: 'x', ...payload })).statusCode).toBe(422)
  },
)

test('list: without a path the core is asked for the working directory', async () => {
  let asked: unknown = 'not asked'
  const list = async (_id: string, path: string | undefined) => {
    asked = path
    return []
  }
  await filesystem({ list }, { action: 'list', path: '' })
  expect(asked).toBeUndefined()
})

test('processes: list and one, and an unknown one is 404', async () => {
  const app = await buildTestApp({
    processes: {
      ...standIns().processes,
      get: () => Promise.reject(new SandboxError('PROCESS_NOT_FOUND', 'Process not found')),
    },
  })
  expect((await app.inject(`/sandboxes/${ID}/processes`)).json().processes[0]).toMatchObject({
    process_id: 'p1',
    ended_at: null,
  })
  expect((await app.inject(`/sandboxes/${ID}/processes/p2`)).statusCode).toBe(404)
  await app.close()
})
