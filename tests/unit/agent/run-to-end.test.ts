import { expect, test } from 'vitest'
import { AgentLink } from '../../../src/agent/link.ts'
import { runToEnd } from '../../../src/agent/run-to-end.ts'
import type { OutputEvent } from '../../../src/agent/types.ts'
import { answer, exited, FakeAgent, type FakeHandler, frame, INFO, statusOf } from './fake-agent.ts'

const unavailable = expect.objectContaining({ name: 'SandboxError', code: 'AGENT_UNAVAILABLE' })
const request = { id: 'p1', argv: ['x'], env: {}, cwd: '/', user: '1:1' }
const OUTPUT = 'GET /v1/processes/p1/output'
const START = 'POST /v1/processes'
const unknown: FakeHandler = (call) => answer(call, 404, { code: 'PROCESS_NOT_FOUND', message: 'no such process' })

async function run(routes: Record<string, FakeHandler>, cutter: { agent?: FakeAgent } = {}, options: object = {}) {
  const agent = await FakeAgent.start(routes)
  cutter.agent = agent
  const link = new AgentLink(() => agent.connect())
  const seen: OutputEvent[] = []
  try {
    const status = await runToEnd(link, request, { onOutput: (event) => void seen.push(event), ...options })
    return { status, seen, text: textOf(seen), requests: agent.requests }
  } finally {
    link.close()
    await agent[Symbol.asyncDispose]()
  }
}

const textOf = (events: OutputEvent[]) =>
  events.map((event) => ('bytes' in event ? event.bytes.toString() : '')).join('')

test('a process that is not disturbed gives its output and its end', async () => {
  const { status, seen, requests } = await run({
    [START]: ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.end(
        Buffer.concat([
          frame(0, statusOf('p1')),
          frame(1, 'a'),
          frame(2, 'b'),
          frame(3, exited('p1', { exit_code: 4 })),
        ]),
      )
    },
  })
  expect(status.exitCode).toBe(4)
  expect(seen).toEqual([
    { type: 'stdout', bytes: Buffer.from('a') },
    { type: 'stderr', bytes: Buffer.from('b') },
  ])
  expect(requests).toEqual(['GET /v1/info', START])
})

test('each byte comes once, however often the connection is cut in the middle', async () => {
  const text = Array.from({ length: 200 }, (_, index) => `line ${index}\n`).join('')
  const cutter: { agent?: FakeAgent } = {}
  let losses = 0
  const serveFrom = (stream: Parameters<FakeHandler>[0]['stream'], offset: number) => {
    stream.respond({ ':status': 200 })
    const end = offset + 37 + losses * 11
    const frames = [frame(0, statusOf('p1')), frame(1, text.slice(offset, end))]
    if (end >= text.length) {
      stream.end(Buffer.concat([...frames, frame(3, exited('p1'))]))
      return
    }
    losses++
    // Half of a frame is on its way when it happens.
    stream.write(Buffer.concat([...frames, frame(1, text.slice(end, end + 50)).subarray(0, 20)]), () =>
      cutter.agent?.cut(),
    )
  }
  const { text: seen } = await run(
    {
      [START]: ({ stream }) => serveFrom(stream, 0),
      [OUTPUT]: ({ stream, query }) => serveFrom(stream, Number(query.get('offset'))),
    },
    cutter,
  )
  expect(seen).toBe(text)
  expect(losses).toBeGreaterThan(5)
})

test('bytes that the ring dropped are told and counted', async () => {
  const cutter: { agent?: FakeAgent } = {}
  const dropped = Buffer.alloc(8)
  dropped.writeBigUInt64BE(100n)
  let offset = ''
  const { seen } = await run(
    {
      [START]: ({ stream }) => {
        stream.respond({ ':status': 200 })
        stream.write(Buffer.concat([frame(0, statusOf('p1')), frame(5, dropped), frame(1, 'abc')]), () =>
          cutter.agent?.cut(),
        )
      },
      [OUTPUT]: ({ stream, query }) => {
        offset = query.get('offset') ?? ''
        stream.respond({ ':status': 200 })
        stream.end(Buffer.concat([frame(0, statusOf('p1')), frame(3, exited('p1'))]))
      },
    },
    cutter,
  )
  expect(offset).toBe('103')
  expect(seen[0]).toEqual({ type: 'dropped', sizeBytes: 100 })
})

test('a start whose answer was lost is not sent again when the process is there', async () => {
  const cutter: { agent?: FakeAgent } = {}
  const { text, requests } = await run(
    {
      [START]: () => cutter.agent?.cut(),
      [OUTPUT]: ({ stream }) => {
        stream.respond({ ':status': 200 })
        stream.end(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'once'), frame(3, exited('p1'))]))
      },
    },
    cutter,
  )
  expect(text).toBe('once')
  expect(requests.filter((name) => name === START)).toHaveLength(1)
})

test('a start that did not reach the agent is sent again', async () => {
  const cutter: { agent?: FakeAgent } = {}
  let starts = 0
  const { text } = await run(
    {
      [START]: ({ stream }) => {
        if (++starts === 1) return cutter.agent?.cut()
        stream.respond({ ':status': 200 })
        stream.end(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'second'), frame(3, exited('p1'))]))
      },
      [OUTPUT]: unknown,
    },
    cutter,
  )
  expect(text).toBe('second')
  expect(starts).toBe(2)
})

test('a second start that finds the id taken follows the first one', async () => {
  const cutter: { agent?: FakeAgent } = {}
  let asked = 0
  const { text } = await run(
    {
      [START]: (call) => {
        if (asked === 0) return cutter.agent?.cut()
        answer(call, 409, { code: 'PROCESS_EXISTS', message: 'p1' })
      },
      [OUTPUT]: (call) => {
        if (++asked === 1) return unknown(call)
        call.stream.respond({ ':status': 200 })
        call.stream.end(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'late'), frame(3, exited('p1'))]))
      },
    },
    cutter,
  )
  expect(text).toBe('late')
})

const cutAfterFirst =
  (cutter: { agent?: FakeAgent }): FakeHandler =>
  ({ stream }) => {
    stream.respond({ ':status': 200 })
    stream.write(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'x')]), () => cutter.agent?.cut())
  }

test('another boot of the agent means that the end is not known', async () => {
  const cutter: { agent?: FakeAgent } = {}
  let boots = 0
  const routes = {
    'GET /v1/info': (call: Parameters<FakeHandler>[0]) => answer(call, 200, { ...INFO, boot_id: `boot-${++boots}` }),
    [START]: cutAfterFirst(cutter),
  }
  await expect(run(routes, cutter)).rejects.toMatchObject({
    code: 'AGENT_UNAVAILABLE',
    message: expect.stringContaining('restarted'),
  })
})

test('a process that the agent has forgotten means that the end is not known', async () => {
  const cutter: { agent?: FakeAgent } = {}
  await expect(run({ [START]: cutAfterFirst(cutter), [OUTPUT]: unknown }, cutter)).rejects.toEqual(unavailable)
})

test('a connection that does not come back ends the run in time', async () => {
  const cutter: { agent?: FakeAgent } = {}
  const routes = { [START]: cutAfterFirst(cutter), [OUTPUT]: () => cutter.agent?.cut() }
  await expect(run(routes, cutter, { resumeMs: 100 })).rejects.toEqual(unavailable)
})

test('an error of the start is thrown as it is', async () => {
  const routes: Record<string, FakeHandler> = {
    [START]: (call) => answer(call, 400, { code: 'CWD_NOT_FOUND', message: 'no /x' }),
  }
  await expect(run(routes)).rejects.toMatchObject({ code: 'CWD_NOT_FOUND', message: 'no /x' })
})

test('an agent that breaks its protocol is not asked again', async () => {
  const routes: Record<string, FakeHandler> = {
    [START]: ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.end(frame(9, 'x'))
    },
  }
  await expect(run(routes)).rejects.toMatchObject({ message: expect.stringContaining('broke its protocol') })
})

test('an aborted signal ends the run with its reason', async () => {
  const end = new AbortController()
  const why = new Error('left')
  const routes: Record<string, FakeHandler> = {
    [START]: ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.write(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'x')]))
    },
  }
  const onOutput = () => end.abort(why)
  await expect(run(routes, {}, { signal: end.signal, onOutput })).rejects.toBe(why)
})

test('the output waits for a consumer that returns a promise', async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  const order: string[] = []
  const running = run(
    {
      [START]: ({ stream }) => {
        stream.respond({ ':status': 200 })
        stream.end(Buffer.concat([frame(0, statusOf('p1')), frame(1, 'a'), frame(2, 'b'), frame(3, exited('p1'))]))
      },
    },
    {},
    {
      onOutput: async (event: OutputEvent) => {
        order.push(`${event.type} begins`)
        if (event.type === 'stdout') setImmediate(release)
        await held
        order.push(`${event.type} ends`)
      },
    },
  )
  await running
  expect(order).toEqual(['stdout begins', 'stdout ends', 'stderr begins', 'stderr ends'])
})
