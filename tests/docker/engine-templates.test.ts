import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Harness, IMAGE, openHarness } from './engine-harness.ts'
import { openRegistry } from './registry.ts'

let harness: Harness

beforeAll(async () => {
  harness = await openHarness()
})
afterAll(() => harness[Symbol.asyncDispose]())

async function removeImage(name: string): Promise<void> {
  await harness.docker.getImage(name).remove({ force: true })
}

test('an image that is there says its settings', async () => {
  expect(await harness.engine.resolveTemplate(IMAGE)).toMatchObject({
    reference: IMAGE,
    imageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
  })
})

test('a missing image is pulled, and callers at once share one pull', async () => {
  await using registry = await openRegistry()
  const name = `${registry.host}/test/image:v1`
  const templates = await Promise.all([1, 2, 3].map(() => harness.engine.resolveTemplate(name)))
  try {
    for (const template of templates) {
      expect(template).toMatchObject({
        reference: name,
        env: { GREETING: 'hello', EMPTY: '' },
        user: 'app',
        workdir: '/srv',
        volumes: ['/data'],
      })
    }
    expect(registry.requests.filter((path) => path.includes('/manifests/v1')).length).toBeLessThanOrEqual(2)
  } finally {
    await removeImage(name)
  }
})

test('a caller that leaves does not end the pull of the others; the last one does', async () => {
  await using registry = await openRegistry({ held: true })
  const name = `${registry.host}/test/image:v1`
  const left = new Error('left')
  const [one, two] = [new AbortController(), new AbortController()]
  const first = harness.engine.resolveTemplate(name, { signal: one.signal })
  const second = harness.engine.resolveTemplate(name, { signal: two.signal })
  await expect.poll(() => registry.requests.some((path) => path.includes('/blobs/'))).toBe(true)
  one.abort(left)
  await expect(first).rejects.toBe(left)
  const third = harness.engine.resolveTemplate(name)
  two.abort(left)
  await expect(second).rejects.toBe(left)
  registry.release()
  await expect(third).resolves.toMatchObject({ user: 'app' })
  await removeImage(name)
})

test('an image that no registry gives says which one, and why, in our words', async () => {
  await using registry = await openRegistry()
  const { engine } = harness
  const failure = async (name: string) => (await engine.resolveTemplate(name).catch((error: unknown) => error)) as Error
  const absent = `${registry.host}/test/absent:v1`
  expect(await failure(absent)).toMatchObject({ code: 'TEMPLATE_NOT_FOUND', message: expect.stringContaining(absent) })
  expect((await failure(absent)).message).toMatch(/no such image/)
  expect((await failure(`${registry.host}/private/image:v1`)).message).toMatch(/login/)
  const unreachable = await failure('127.0.0.1:1/no/registry')
  expect(unreachable).toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
  expect(unreachable.message).toMatch(/registry can not be reached/)
  expect(unreachable.message).not.toMatch(/dial tcp|https?:/)
  await expect(engine.resolveTemplate('Not A Reference')).rejects.toMatchObject({ code: 'TEMPLATE_INVALID' })
  await expect(engine.resolveTemplate(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
})

test('a tag that moves to another image, and one that is removed, is seen by the next create', async () => {
  const { engine, docker } = harness
  const name = 'k2test-moving:latest'
  await docker.getImage(IMAGE).tag({ repo: 'k2test-moving', tag: 'latest' })
  const before = await engine.resolveTemplate(name)
  const again = await engine.resolveTemplate(name)
  expect(again).toEqual(before)
  await docker.getImage('k2-scratch:1').tag({ repo: 'k2test-moving', tag: 'latest' })
  await expect.poll(async () => (await engine.resolveTemplate(name)).imageId).not.toBe(before.imageId)
  await removeImage(name)
  await expect
    .poll(() =>
      engine.resolveTemplate(name).then(
        () => 'there',
        (error: { code: string }) => error.code,
      ),
    )
    .toBe('TEMPLATE_NOT_FOUND')
})

test('a word that begins an image id does not name that image', async () => {
  const { imageId } = await harness.engine.resolveTemplate(IMAGE)
  const prefix = imageId.slice('sha256:'.length, 'sha256:'.length + 12)
  await expect(harness.engine.resolveTemplate(prefix)).rejects.toMatchObject({ code: 'TEMPLATE_NOT_FOUND' })
})
