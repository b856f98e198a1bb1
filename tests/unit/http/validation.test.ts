import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CreateSandbox, RunCode, RunCommand, SandboxFilter } from '../../../src/core/model.ts'
import type { TypedApp } from '../../../src/http/app-type.ts'
import { buildTestApp, CODE, COMMAND, ID, SANDBOX } from './stand-ins.ts'

let app: TypedApp
let created: CreateSandbox | undefined
let command: RunCommand | undefined
let code: RunCode | undefined
let filter: SandboxFilter | undefined
let timeoutSet: number | undefined

beforeAll(async () => {
  app = await buildTestApp({
    sandboxes: {
      create: async (request) => {
        created = request
        return { ...SANDBOX, created: true, replayed: false }
      },
      get: () => SANDBOX,
      change: async () => SANDBOX,
      wait: async () => SANDBOX,
      pause: async () => SANDBOX,
      list: (asked) => {
        filter = asked
        return { sandboxes: [], nextCursor: null }
      },
      start: async () => SANDBOX,
      stop: async () => SANDBOX,
      restart: async () => SANDBOX,
      setTimeout: (_id, seconds) => {
        timeoutSet = seconds
        return SANDBOX
      },
      remove: () => {},
    },
    commands: {
      run: async (_id, request) => {
        command = request
        return COMMAND
      },
    },
    code: {
      run: async (_id, request) => {
        code = request
        return CODE
      },
    },
  })
})
afterAll(() => app.close())

const post = (url: string, payload: unknown) =>
  app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json' },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
  })
const create = (payload: unknown) => post('/sandboxes', payload)

test('create: no body, an empty body, {} and null all mean the defaults', async () => {
  for (const payload of ['', '{}', 'null']) {
    created = undefined
    const answer = await create(payload)
    expect([payload, answer.statusCode]).toEqual([payload, 200])
    expect(created).toMatchObject({ template: undefined, timeoutSeconds: undefined, metadata: undefined })
  }
  expect((await app.inject({ method: 'POST', url: '/sandboxes' })).statusCode).toBe(200)
})

test('create: null is the same as absent, at every level that the schema names', async () => {
  const answer = await create({
    template: null,
    cwd: null,
    envs: null,
    timeout: null,
    metadata: null,
    resources: { cpus: null, pids: 128 },
  })
  expect(answer.statusCode).toBe(200)
  expect(created).toMatchObject({ template: undefined, timeoutSeconds: undefined, resources: { pids: 128 } })
})

test('create: an empty template and timeout 0 mean the default', async () => {
  await create({ template: '', cwd: '', timeout: 0 })
  expect(created).toMatchObject({ template: undefined, cwd: undefined, timeoutSeconds: undefined })
})

test('create: members reach the core in its own names and units', async () => {
  await create({
    template: 'python:3.13',
    timeout: 60,
    on_timeout: 'stop',
    network: 'none',
    name: 'crawler',
    resources: { cpus: 0.5, memory_mb: 256, pids: 99, disk_mb: 100 },
  })
  expect(created).toEqual({
    template: 'python:3.13',
    cwd: undefined,
    envs: undefined,
    timeoutSeconds: 60,
    metadata: undefined,
    user: undefined,
    resources: { cpus: 0.5, memoryMb: 256, pids: 99, diskMb: 100 },
    network: 'none',
    onTimeout: 'stop',
    name: 'crawler',
  })
})

test('a numeric string is a number where a number is wanted', async () => {
  expect((await create({ timeout: '60', resources: { cpus: '1.5' } })).statusCode).toBe(200)
  expect(created).toMatchObject({ timeoutSeconds: 60, resources: { cpus: 1.5 } })
  await post(`/sandboxes/${ID}/command`, { command: 'x', timeout: ' 2.5e0 ' })
  expect(command?.timeoutMs).toBe(2500)
})

test.each([
  ['timeout', true, 'type_error.integer'],
  ['timeout', '', 'type_error.integer'],
  ['timeout', 'soon', 'type_error.integer'],
  ['timeout', '1.5', 'type_error.integer'],
  ['timeout', '0x10', 'type_error.integer'],
  ['timeout', 1.5, 'type_error.integer'],
  ['timeout', [], 'type_error.integer'],
  ['timeout', -1, 'value_error.number.not_ge'],
  ['timeout', 1e12, 'value_error.number.not_le'],
  ['template', 5, 'type_error.str'],
  ['template', ['x'], 'type_error.str'],
  ['template', 'a b', 'value_error.str.regex'],
  ['template', 'x'.repeat(256), 'value_error.any_str.max_length'],
  ['cwd', 'relative', 'value_error.str.regex'],
  ['cwd', '/a\0b', 'value_error.str.regex'],
  ['cwd', `/${'x'.repeat(4096)}`, 'value_error.any_str.max_length'],
  ['cwd', `/${'é'.repeat(2048)}`, 'value_error.any_str.max_length'],
  ['name', 'Upper', 'value_error.str.regex'],
  ['name', 'new\nline', 'value_error.str.regex'],
  ['name', '', 'value_error.str.regex'],
  ['network', 'host', 'type_error.enum'],
  ['on_timeout', 'hibernate', 'type_error.enum'],
  ['user', 'a b', 'value_error.str.regex'],
  ['envs', 'x', 'type_error.dict'],
  ['envs', [], 'type_error.dict'],
  ['resources', 4, 'type_error.dict'],
])('create: %s %j is refused as %s', async (member, value, type) => {
  const answer = await create({ [member]: value })
  expect(answer.statusCode).toBe(422)
  expect(answer.json().errors).toMatchObject([{ loc: ['body', member], type }])
})

test.each([
  [{ envs: { 'A=B': 'x' } }, ['body', 'envs', 'A=B']],
  [{ envs: { '': 'x' } }, ['body', 'envs', '']],
  [{ envs: { 'A\0': 'x' } }, ['body', 'envs', 'A\0']],
  [{ envs: { A: 'x\0' } }, ['body', 'envs', 'A']],
  [{ envs: { A: null } }, ['body', 'envs', 'A']],
  [{ envs: { A: 1 } }, ['body', 'envs', 'A']],
  [{ envs: { A: 'x'.repeat(130_001) } }, ['body', 'envs', 'A']],
  [{ envs: Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`A${n}`, ''])) }, ['body', 'envs']],
  [{ metadata: { 'a=b': '' } }, ['body', 'metadata', 'a=b']],
  [{ metadata: { a: 'é'.repeat(513) } }, ['body', 'metadata', 'a']],
  [{ metadata: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, ''])) }, ['body', 'metadata']],
  [{ resources: { memory: 5 } }, ['body', 'resources', 'memory']],
  [{ resources: { cpus: 0 } }, ['body', 'resources', 'cpus']],
  [{ resources: { pids: 1.5 } }, ['body', 'resources', 'pids']],
])('create: case %# names the place of the fault', async (payload, loc) => {
  const answer = await create(payload)
  expect(answer.statusCode).toBe(422)
  expect(answer.json().errors[0].loc).toEqual(loc)
})

test('create: names that mean something to JavaScript are plain data in maps', async () => {
  const metadata = { constructor: 'a', toString: 'b', hasOwnProperty: 'c' }
  expect((await create({ metadata })).statusCode).toBe(200)
  expect(created?.metadata).toEqual(metadata)
})

test('a body with __proto__ is refused and changes nothing', async () => {
  const answer = await create('{"metadata":{"__proto__":{"polluted":"yes"}}}')
  expect(answer.statusCode).toBe(422)
  expect(({} as { polluted?: string }).polluted).toBeUndefined()
})

test('members that no schema names are ignored', async () => {
  expect((await create({ image: 'x', deep: { er: [1] } })).statusCode).toBe(200)
})

test('a very deep unknown member is ignored without harm', async () => {
  const depth = 100_000
  const answer = await create(`{"unknown":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  expect(answer.statusCode).toBe(200)
})

test('every fault is told, and the sentence names the first', async () => {
  const answer = await post(`/sandboxes/${ID}/code`, { code: 5, timeout: 'x', cwd: 'y' })
  const problem = answer.json()
  expect(problem.errors.map((fault: { loc: string[] }) => fault.loc[1]).sort()).toEqual(['code', 'cwd', 'timeout'])
  expect(problem.detail).toMatch(/^The request is not valid: body\.\w+: .* \(and 2 more, see errors\)$/)
})

test('a body with a hundred thousand faults is refused with a short answer', async () => {
  const envs = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`=${n}`, 1]))
  const answer = await create({ envs })
  expect(answer.statusCode).toBe(422)
  expect(answer.body.length).toBeLessThan(10_000)
})

test('a missing member is told as the contract does', async () => {
  for (const payload of ['{}', '', 'null', '{"command":null}']) {
    const answer = await post(`/sandboxes/${ID}/command`, payload)
    expect(answer.statusCode).toBe(422)
    expect(answer.json().errors).toEqual([
      { loc: ['body', 'command'], msg: 'field required', type: 'value_error.missing' },
    ])
  }
})

test.each(['{bad', '[1', '"', '{"a":1}{', '\u{feff}\u{feff}{}'])(
  'malformed JSON %j is 422 value_error.jsondecode',
  async (payload) => {
    const answer = await create(payload)
    expect(answer.statusCode).toBe(422)
    expect(answer.json().errors).toMatchObject([{ loc: ['body'], type: 'value_error.jsondecode' }])
  },
)

test.each(['[]', '5', '"text"', 'true'])('a body that is %s and no object is refused', async (payload) => {
  const answer = await create(payload)
  expect(answer.statusCode).toBe(422)
  expect(answer.json().errors).toMatchObject([{ loc: ['body'], type: 'type_error.dict' }])
})

test('text that can not be encoded is refused instead of changed', async () => {
  const halfPair = await post(`/sandboxes/${ID}/command`, '{"command":"\\ud800"}')
  expect(halfPair.statusCode).toBe(422)
  const pair = await post(`/sandboxes/${ID}/command`, '{"command":"\\ud83d\\ude00"}')
  expect(pair.statusCode).toBe(200)
  expect(command?.command).toBe('😀')
  const notUtf8 = await app.inject({
    method: 'POST',
    url: `/sandboxes/${ID}/command`,
    headers: { 'content-type': 'application/json' },
    payload: Buffer.from([...Buffer.from('{"command":"'), 0xff, ...Buffer.from('"}')]),
  })
  expect(notUtf8.statusCode).toBe(422)
})

test('code: an absent timeout and 0 are 300 seconds, the language is lower-cased', async () => {
  await post(`/sandboxes/${ID}/code`, { code: '1' })
  expect(code).toMatchObject({ timeoutMs: 300_000, language: undefined })
  await post(`/sandboxes/${ID}/code`, { code: '1', timeout: 0, language: ' PyThon ' })
  expect(code).toMatchObject({ timeoutMs: 300_000, language: 'python' })
  await post(`/sandboxes/${ID}/code`, { code: '1', timeout: 0.5 })
  expect(code?.timeoutMs).toBe(500)
})

test('command: an absent timeout and 0 are no limit', async () => {
  await post(`/sandboxes/${ID}/command`, { command: 'x' })
  expect(command?.timeoutMs).toBeUndefined()
  await post(`/sandboxes/${ID}/command`, { command: 'x', timeout: 0 })
  expect(command?.timeoutMs).toBeUndefined()
})

test('set_timeout without a timeout is 400 in the contract’s words; 0 is passed on as the default', async () => {
  const answer = await post(`/sandboxes/${ID}/actions`, { action: 'set_timeout' })
  expect([answer.statusCode, answer.json().detail]).toEqual([400, 'Timeout value is required'])
  expect((await post(`/sandboxes/${ID}/actions`, { action: 'set_timeout', timeout: '0' })).statusCode).toBe(200)
  expect(timeoutSet).toBe(0)
})

test.each(['actions', 'filesystem'])(
  '%s: an unknown action is 400 in the contract’s words, a wrong type 422',
  async (route) => {
    const unknown = await post(`/sandboxes/${ID}/${route}`, { action: 'explode' })
    expect([unknown.statusCode, unknown.json().code, unknown.json().detail]).toEqual([
      400,
      'UNSUPPORTED_ACTION',
      'Unsupported action: explode',
    ])
    expect((await post(`/sandboxes/${ID}/${route}`, { action: 5 })).statusCode).toBe(422)
  },
)

test('list: filters reach the core, metadata may be repeated', async () => {
  const answer = await app.inject(
    `/sandboxes?status=stopped&template=a:b&name=n&metadata=k=v&metadata=x=y%3Dz&metadata=empty=&limit=7&cursor=c`,
  )
  expect(answer.statusCode).toBe(200)
  expect(filter).toEqual({
    status: 'stopped',
    template: 'a:b',
    name: 'n',
    metadata: { k: 'v', x: 'y=z', empty: '' },
    limit: 7,
    cursor: 'c',
  })
  await app.inject('/sandboxes')
  expect(filter?.limit).toBe(1000)
})

test.each([
  'status=',
  'status=gone',
  'status=running&status=stopped',
  'template=',
  'name=',
  'metadata=',
  'metadata=k',
  'metadata==v',
  'metadata=k=a&metadata=k=b',
  'limit=',
  'limit=0',
  'limit=1001',
  'limit=ten',
  'limit=1.5',
  'cursor=',
  'Status=running',
  'unknown=1',
  '__proto__=1',
])('list: ?%s is an error and never "everything"', async (query) => {
  const answer = await app.inject(`/sandboxes?${query}`)
  expect(answer.statusCode).toBe(422)
  expect(answer.json().errors[0].loc[0]).toBe('query')
})

test('a query parameter on a route that has none is an error', async () => {
  for (const url of ['/', '/healthz', `/sandboxes/${ID}`, `/sandboxes/${ID}/processes`]) {
    const answer = await app.inject(`${url}?verbose=1`)
    expect([url, answer.statusCode]).toEqual([url, 422])
  }
})

test.each([
  '..%2f..%2fetc',
  '%2e%2e%2fx',
  'a%00b',
  'a%0d%0ab',
  ID.slice(0, 12),
  `${ID}0`,
  ID.toUpperCase(),
  `${ID}%00`,
  `${ID}%0a`,
  'x'.repeat(5000),
  '%E2%80%AE',
  "';--",
])('id %s answers the same 404 as an unknown one, on every route', async (id) => {
  const answers = await Promise.all([
    app.inject(`/sandboxes/${id}`),
    app.inject({ method: 'DELETE', url: `/sandboxes/${id}` }),
    post(`/sandboxes/${id}/actions`, { action: 'stop' }),
    post(`/sandboxes/${id}/command`, {}),
    post(`/sandboxes/${id}/code`, { code: '' }),
    post(`/sandboxes/${id}/filesystem`, { action: 'list' }),
    app.inject(`/sandboxes/${id}/processes`),
  ])
  for (const answer of answers) {
    expect(answer.json()).toMatchObject({ status: 404, detail: 'Sandbox not found', code: 'SANDBOX_NOT_FOUND' })
  }
})

test('a malformed process id answers as an unknown process', async () => {
  const answer = await app.inject(`/sandboxes/${ID}/processes/..%2f1`)
  expect(answer.json()).toMatchObject({ status: 404, code: 'PROCESS_NOT_FOUND' })
})
