import { expect, test } from 'vitest'
import { engineCall, type Operation } from '../../../../src/engine/docker/calls.ts'
import { SandboxError } from '../../../../src/errors.ts'

const options = { timeoutMs: 1000, name: 'thing' }

function answer(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) no such container - ${message} `), {
    statusCode,
    json: null,
  })
}

function connection(code: string): Error {
  return Object.assign(new Error(`connect ${code} /secret/path.sock`), { code })
}

test.for([
  ['image.inspect', answer(404, 'No such image: x'), 'TEMPLATE_NOT_FOUND'],
  ['container.create', answer(404, 'No such image: x'), 'TEMPLATE_NOT_FOUND'],
  ['container.read', answer(404, 'No such container: x'), 'SANDBOX_NOT_FOUND'],
  ['container.change', answer(404, 'No such container: x'), 'SANDBOX_NOT_FOUND'],
  ['container.archive', answer(404, 'No such container: x'), 'SANDBOX_NOT_FOUND'],
  ['container.archive', answer(404, 'Could not find the file /x in container y'), 'FILE_NOT_FOUND'],
  ['container.start', answer(404, 'network k2-x not found'), 'SANDBOX_START_FAILED'],
  ['container.start', answer(404, 'No such container: x'), 'SANDBOX_NOT_FOUND'],
  ['container.start', answer(500, 'OCI runtime create failed'), 'SANDBOX_START_FAILED'],
  ['container.change', answer(409, 'Container x is not running'), 'SANDBOX_STATE_CONFLICT'],
  ['exec', answer(500, 'cannot exec in a stopped container'), 'AGENT_UNAVAILABLE'],
  ['container.create', answer(500, 'write /var/lib/x: no space left on device'), 'DISK_FULL'],
  ['network', answer(500, 'oops'), 'INTERNAL'],
  ['ping', answer(503, 'shutting down'), 'ENGINE_UNAVAILABLE'],
  ['ping', connection('ENOENT'), 'ENGINE_UNAVAILABLE'],
  ['ping', connection('ECONNREFUSED'), 'ENGINE_UNAVAILABLE'],
  ['ping', connection('ECONNRESET'), 'ENGINE_UNAVAILABLE'],
  ['ping', connection('EPIPE'), 'ENGINE_UNAVAILABLE'],
  ['ping', connection('EACCES'), 'ENGINE_UNAVAILABLE'],
  ['ping', new Error('socket hang up'), 'ENGINE_UNAVAILABLE'],
] as const)('%s: %s becomes %s', async ([operation, thrown, code]) => {
  const error = await engineCall(operation satisfies Operation, () => Promise.reject(thrown), options).catch(
    (caught: unknown) => caught,
  )
  expect(error).toMatchObject({ code, cause: thrown })
  expect((error as SandboxError).message).not.toMatch(/HTTP code|secret|\/var\/lib|OCI/)
})

test('an engine that is away says when to try again, and missing permission says what to do', async () => {
  const away = engineCall('ping', () => Promise.reject(connection('ENOENT')), options)
  await expect(away).rejects.toMatchObject({ details: { retryAfterSeconds: expect.any(Number) } })
  await expect(engineCall('ping', () => Promise.reject(connection('EACCES')), options)).rejects.toThrow(
    /permission.*group/,
  )
})

test('a call that is not answered ends at its deadline, its request aborted', async () => {
  let aborted = false
  const never = (signal: AbortSignal) =>
    new Promise<never>(() => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
    })
  await expect(engineCall('ping', never, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'ENGINE_TIMEOUT' })
  expect(aborted).toBe(true)
})

test("the caller's abort ends a call with its reason, before and during it", async () => {
  const gone = new SandboxError('CLIENT_GONE', 'gone')
  const before = AbortSignal.abort(gone)
  await expect(
    engineCall('ping', () => Promise.reject(new Error('called')), { ...options, signal: before }),
  ).rejects.toBe(gone)
  const controller = new AbortController()
  const call = engineCall('ping', () => new Promise<never>(() => undefined), { ...options, signal: controller.signal })
  controller.abort(gone)
  await expect(call).rejects.toBe(gone)
})

test('a stream that arrives after the caller left is destroyed', async () => {
  const controller = new AbortController()
  const late = Promise.withResolvers<{ destroy(): void }>()
  const call = engineCall('exec', () => late.promise, { ...options, signal: controller.signal })
  controller.abort(new Error('left'))
  await expect(call).rejects.toThrow('left')
  const destroyed = new Promise<void>((resolve) => late.resolve({ destroy: resolve }))
  await destroyed
})
