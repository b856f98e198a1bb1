import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config.ts'
import { environmentOf } from '../../../src/core/environment.ts'
import { newRecord, timeoutWithin } from '../../../src/core/new-record.ts'
import { outputLimitWithin } from '../../../src/core/output-limit.ts'
import { pathInside } from '../../../src/core/paths.ts'
import { fromLabel, toLabel, toSandbox } from '../../../src/core/record.ts'
import type { Template } from '../../../src/engine/types.ts'
import { record } from './records.ts'

const rules = readConfig(
  { K2_MAX_CPUS: '4', K2_MAX_MEMORY_MB: '2048', K2_MAX_PIDS: '1000', K2_MAX_TIMEOUT: '3600', K2_MAX_OUTPUT_KB: '8192' },
  [],
)
const image = (change: Partial<Template> = {}): Template => ({
  reference: 'python:3.13',
  imageId: 'sha256:1',
  env: { LANG: 'C.UTF-8' },
  user: null,
  workdir: null,
  volumes: [],
  ...change,
})

describe('label', () => {
  test('gives the sandbox back as it was made; environment and metadata are not in it', () => {
    const one = record({
      name: 'web',
      envs: { SECRET: 'hush' },
      metadata: { team: 'a' },
      network: 'none',
      onTimeout: 'stop',
    })
    const label = toLabel(one)
    expect(label).not.toContain('hush')
    expect(label).not.toContain('team')
    const again = fromLabel(label, { ref: 'b'.repeat(64), status: 'stopped', template: image(), now: 5 })
    expect(again).toEqual({
      ...one,
      ref: 'b'.repeat(64),
      status: 'stopped',
      reason: expect.stringContaining('metadata and envs are lost'),
      imageId: 'sha256:1',
      imageEnv: { LANG: 'C.UTF-8' },
      identity: null,
      envs: {},
      metadata: {},
      lastActiveAt: 5,
    })
  })

  test('fits into the 8 KiB that an engine keeps, with every member at its longest', () => {
    const one = record({
      name: 'n'.repeat(63),
      template: 't'.repeat(255),
      cwd: `/${'é'.repeat(2000)}`,
      user: `${'u'.repeat(32)}:${'g'.repeat(32)}`,
    })
    expect(Buffer.byteLength(toLabel(one))).toBeLessThan(8192)
  })
})

describe('a new record', () => {
  test('has the defaults of the server where the request says nothing', () => {
    expect(newRecord({}, image(), rules, 42)).toMatchObject({
      id: expect.stringMatching(/^[a-z0-9]{20}$/),
      name: null,
      status: 'creating',
      ref: null,
      cwd: '/home/user',
      user: '1000:1000',
      envs: {},
      metadata: {},
      resources: { cpus: 1, memoryMb: 1024, pids: 512, diskMb: null },
      network: 'internet',
      timeoutSeconds: 300,
      onTimeout: 'delete',
      createdAt: 42,
      lastActiveAt: 42,
    })
  })

  test("takes the image's user and working directory, and the request's before them", () => {
    const template = image({ user: 'app', workdir: '/srv/app' })
    expect(newRecord({}, template, rules, 0)).toMatchObject({ user: 'app', cwd: '/srv/app' })
    expect(newRecord({ user: 'root', cwd: '/tmp' }, template, rules, 0)).toMatchObject({ user: 'root', cwd: '/tmp' })
    expect(newRecord({}, image({ workdir: '/' }), rules, 0).cwd).toBe('/home/user')
  })

  test.each([
    [{ cpus: 4.5 }, ['resources', 'cpus'], 'K2_MAX_CPUS'],
    [{ cpus: 0.01 }, ['resources', 'cpus'], 'at least'],
    [{ memoryMb: 4096 }, ['resources', 'memory_mb'], 'K2_MAX_MEMORY_MB'],
    [{ memoryMb: 16 }, ['resources', 'memory_mb'], 'at least'],
    [{ pids: 5000 }, ['resources', 'pids'], 'K2_MAX_PIDS'],
    [{ pids: 10 }, ['resources', 'pids'], 'at least'],
    [{ diskMb: 1_000_000_000 }, ['resources', 'disk_mb'], 'K2_MAX_DISK_MB'],
    [{ cpus: Number.NaN }, ['resources', 'cpus'], ''],
  ])('%j is refused with its place and the limit', (resources, place, word) => {
    expect(() => newRecord({ resources }, image(), rules, 0)).toThrowError(
      expect.objectContaining({
        code: 'VALIDATION_FAILED',
        message: expect.stringContaining(word),
        details: { errors: [expect.objectContaining({ loc: ['body', ...place] })] },
      }),
    )
  })
})

test('a timeout is within the limit, and 0 or nothing is the default', () => {
  expect(timeoutWithin(undefined, rules)).toBe(300)
  expect(timeoutWithin(0, rules)).toBe(300)
  expect(timeoutWithin(3600, rules)).toBe(3600)
  expect(() => timeoutWithin(3601, rules)).toThrowError(
    expect.objectContaining({ code: 'VALIDATION_FAILED', message: expect.stringContaining('K2_MAX_TIMEOUT') }),
  )
})

test('an output limit is within the limit, and nothing is the default', () => {
  expect(outputLimitWithin(undefined, rules)).toBe(4096 * 1024)
  expect(outputLimitWithin(2048, rules)).toBe(2048)
  expect(() => outputLimitWithin(1e9, rules)).toThrowError(expect.objectContaining({ code: 'VALIDATION_FAILED' }))
})

test("a call's environment wins over the sandbox's, and that over the image's; PATH is always there", () => {
  const one = record({ imageEnv: { A: 'image', B: 'image', C: 'image' }, envs: { B: 'sandbox', C: 'sandbox' } })
  expect(environmentOf(one, { C: 'call' })).toEqual({
    PATH: expect.stringContaining('/usr/bin'),
    A: 'image',
    B: 'sandbox',
    C: 'call',
  })
  expect(environmentOf(record({ imageEnv: { PATH: '/opt' } }), undefined).PATH).toBe('/opt')
})

test('a relative path starts in the cwd, and `..` is left to the sandbox', () => {
  expect(pathInside('/home/user', 'a b/c')).toBe('/home/user/a b/c')
  expect(pathInside('/home/user', '../x')).toBe('/home/user/../x')
  expect(pathInside('/home/user', '/etc/passwd')).toBe('/etc/passwd')
  expect(() => pathInside('/', 'a\0b')).toThrowError(expect.objectContaining({ code: 'INVALID_REQUEST' }))
})

describe('the view of a sandbox', () => {
  test('has when it expires', () => {
    expect(toSandbox(record(), 99).expiresAt).toBe(99)
  })

  test('does not exist of one that is deleted', () => {
    expect(() => toSandbox(record({ status: 'deleting' }), null)).toThrow()
  })
})
