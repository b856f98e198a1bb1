import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Duplex, PassThrough, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { demux } from '../../../../src/engine/docker/demux.ts'

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header[0] = type
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

/** The engine's side of a stream: what it sends, and what it was sent. */
function engineSide(): { stream: Duplex; send: PassThrough; received: Buffer[] } {
  const send = new PassThrough()
  const received: Buffer[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      received.push(chunk)
      done()
    },
  })
  return { stream: Duplex.from({ readable: send, writable: sink }), send, received }
}

/** Deterministic, so that a failure can be run again. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

test.for([1, 2, 3, 4, 5, 6, 7, 8])(
  'however frames are cut into chunks, output and errors come out whole (seed %i)',
  async (seed) => {
    const next = random(seed)
    const out: Buffer[] = []
    const err: Buffer[] = []
    const frames: Buffer[] = []
    for (let index = 0; index < 200; index++) {
      const payload = Buffer.alloc(Math.floor(next() * 300), index)
      const type = next() < 0.7 ? 1 : 2
      ;(type === 1 ? out : err).push(payload)
      frames.push(frame(type, payload))
    }
    const bytes = Buffer.concat(frames)
    const { stream, send } = engineSide()
    const stderr: Buffer[] = []
    const output = buffer(demux(stream, { onStderr: (chunk) => stderr.push(Buffer.from(chunk)) }))
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + Math.floor(next() * (next() < 0.5 ? 4 : 1000))
      send.write(bytes.subarray(at, at + size))
      at += size
    }
    send.end()
    expect(await output).toEqual(Buffer.concat(out))
    expect(Buffer.concat(stderr)).toEqual(Buffer.concat(err))
  },
)

test('behind a reader that takes nothing, only a bounded part is taken from the engine', async () => {
  const payload = Buffer.alloc(32 * 1024)
  let taken = 0
  const stream = new Duplex({
    read() {
      taken += payload.length
      this.push(frame(1, payload))
    },
    write: (_chunk, _encoding, done) => done(),
  })
  const output = demux(stream)
  output.once('readable', () => undefined)
  // Long enough for thousands of reads, if anything asked for them.
  for (let turn = 0; turn < 2000; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(taken).toBeGreaterThan(0)
  expect(taken).toBeLessThan(4 * 1024 * 1024)
  output.destroy()
})

test('writes go to standard input unframed, and end() half-closes it', async () => {
  const { stream, send, received } = engineSide()
  const output = demux(stream)
  const answer = buffer(output)
  output.write('hello ')
  output.end('there')
  await new Promise((resolve) => output.once('finish', resolve))
  expect(Buffer.concat(received).toString()).toBe('hello there')
  send.end(frame(1, Buffer.from('still readable')))
  expect((await answer).toString()).toBe('still readable')
})

test.for([
  ['in a header', frame(1, Buffer.from('abc')).subarray(0, 5)],
  ['in a payload', frame(1, Buffer.from('abc')).subarray(0, 10)],
] as const)('an end in the middle, %s, is an error and not an end', async ([, bytes]) => {
  const { stream, send } = engineSide()
  const output = buffer(demux(stream))
  send.end(bytes)
  await expect(output).rejects.toThrow('ended in the middle')
})

test('bytes that are no frames are an error', async () => {
  const { stream, send } = engineSide()
  const output = buffer(demux(stream))
  send.write('HTTP/1.1 500 oh no')
  await expect(output).rejects.toThrow('malformed frame')
  expect(stream.destroyed).toBe(true)
})

test('a failure of the engine stream reaches the reader, and destroying the demuxer closes it', async () => {
  const failing = engineSide()
  const output = buffer(demux(failing.stream))
  failing.stream.destroy(new Error('reset'))
  await expect(output).rejects.toThrow('reset')

  const left = engineSide()
  demux(left.stream).destroy()
  expect(left.stream.destroyed).toBe(true)
})

test('a stream that ends without output fails with the reason given for that', async () => {
  const { stream, send } = engineSide()
  const words: string[] = []
  const output = demux(stream, {
    onStderr: (chunk) => words.push(chunk.toString()),
    whenEmpty: async () => new Error(words.join()),
  })
  send.end(frame(2, Buffer.from('no such socket')))
  await expect(buffer(output)).rejects.toThrow('no such socket')
})

test('what came before the end can still be read when the connection has closed', async () => {
  const payload = Buffer.alloc(500_000, 1)
  await using server = createServer((peer) => peer.end(frame(1, payload)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const closed = once(socket, 'close')
  const output = demux(socket)
  output.once('readable', () => undefined)
  await closed
  expect((await buffer(output)).length).toBe(payload.length)
})
