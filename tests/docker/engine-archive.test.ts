import { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { execIn, type Harness, openHarness } from './engine-harness.ts'

let harness: Harness
let id: string
let ref: string

beforeAll(async () => {
  harness = await openHarness()
  ;({ id, ref } = await harness.sandbox())
  execIn(ref, 'sh', '-c', 'mkdir /work && echo before >/work/file && ln -s /work/file /work/link')
  await harness.engine.stop(id, ref)
})
afterAll(() => harness[Symbol.asyncDispose]())

async function names(stream: Readable): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const entry of stream.pipe(extract())) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    found[entry.header.name] =
      entry.header.type === 'file' ? Buffer.concat(chunks).toString() : String(entry.header.type)
  }
  return found
}

function tarOf(name: string, content: string): Readable {
  const archive = pack()
  archive.entry({ name }, content)
  archive.finalize()
  return Readable.from(archive as AsyncIterable<Buffer>)
}

test('files of a stopped sandbox are read and written, and are there when it runs again', async () => {
  const { engine } = harness
  expect(await names(await engine.readArchive(id, ref, '/work'))).toEqual({
    'work/': 'directory',
    'work/file': 'before\n',
    'work/link': 'symlink',
  })
  await engine.writeArchive(id, ref, '/work', tarOf('new file', 'written'))
  await engine.start(id, ref)
  expect(execIn(ref, 'cat', '/work/new file')).toBe('written')
  await engine.stop(id, ref)
})

test('what is not there, or is a file where a folder must be, is told apart', async () => {
  const { engine } = harness
  await expect(engine.readArchive(id, ref, '/nothing')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
  await expect(engine.readArchive(id, ref, '/work/file/below')).rejects.toMatchObject({
    code: expect.stringMatching(/FILE_NOT_FOUND|PATH_NOT_DIRECTORY/),
  })
  await expect(engine.writeArchive(id, ref, '/nothing', tarOf('x', 'x'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  })
  await expect(engine.writeArchive(id, ref, '/work/file', tarOf('x', 'x'))).rejects.toMatchObject({
    code: 'PATH_NOT_DIRECTORY',
  })
  await expect(engine.writeArchive(id, ref, '/', tarOf('work', 'x'))).rejects.toMatchObject({
    code: 'PATH_IS_DIRECTORY',
  })
  await expect(engine.readArchive(id, ref, 'relative')).rejects.toMatchObject({ code: 'PATH_REFUSED' })
  await expect(engine.readArchive(id, ref, '/a\0b')).rejects.toMatchObject({ code: 'PATH_REFUSED' })
  await expect(engine.readArchive(id, 'f'.repeat(64), '/work')).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
})

test('odd names go through as they are', async () => {
  const { engine } = harness
  for (const name of ['with space', 'ünï', 'a&b=c?d#e%2f', 'quote\'"', 'line\nbreak', '-dash', '+plus']) {
    await engine.writeArchive(id, ref, '/work', tarOf(name, name))
    expect(await names(await engine.readArchive(id, ref, `/work/${name}`))).toEqual({ [name]: name })
  }
})

test('a reader that leaves ends the stream with its reason', async () => {
  const controller = new AbortController()
  const stream = await harness.engine.readArchive(id, ref, '/usr', { signal: controller.signal })
  const reading = stream.resume().toArray()
  controller.abort(new Error('left'))
  await expect(reading).rejects.toThrow()
  expect(stream.destroyed).toBe(true)
})
