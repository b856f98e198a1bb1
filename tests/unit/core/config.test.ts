import { describe, expect, test } from 'vitest'
import { Settings } from '../../../schemas/settings.ts'
import { ConfigError, helpText, readConfig, settingsTable } from '../../../src/config.ts'

test('nothing set is a server on loopback with the documented defaults', () => {
  const config = readConfig({ HOME: '/home/x' }, [])
  expect(config).toMatchObject({
    host: '127.0.0.1',
    port: 8000,
    instance: 'default',
    engine: 'docker',
    link: 'auto',
    dockerHost: 'unix:///var/run/docker.sock',
    defaults: { template: 'k2data/sandbox-base:latest', timeoutSeconds: 300, diskMb: null, outputBytes: 4_194_304 },
    limits: { fileBytes: 67_108_864 },
    startTimeoutMs: 60_000,
  })
  expect(config.limits.cpus).toBeGreaterThan(0)
  expect(Object.isFrozen(config)).toBe(true)
})

test('flags win over variables, in both spellings', () => {
  const env = { K2_PORT: '1', K2_LINK: 'exec' }
  expect(readConfig(env, ['--port', '2', '--link=dial'])).toMatchObject({ port: 2, link: 'dial' })
  expect(readConfig(env, [])).toMatchObject({ port: 1, link: 'exec' })
})

test('a flag of a yes-or-no setting needs no value', () => {
  expect(readConfig({}, ['--host', '0.0.0.0', '--unsafe-listen']).host).toBe('0.0.0.0')
})

test('an empty variable is one that is not set', () => {
  expect(readConfig({ K2_PORT: '' }, []).port).toBe(8000)
})

test('variables that are not ours are left alone', () => {
  expect(() => readConfig({ K2: 'x', OTHER: 'x', K2_TEST_ANYTHING: 'x' }, [])).not.toThrow()
})

test('lists are split and trimmed', () => {
  expect(readConfig({ K2_ALLOWED_HOSTS: ' a.example, b.example ,' }, []).allowedHosts).toEqual([
    'a.example',
    'b.example',
  ])
})

test('the engine is named by our setting, else by DOCKER_HOST', () => {
  expect(readConfig({ DOCKER_HOST: 'tcp://a:1' }, []).dockerHost).toBe('tcp://a:1')
  expect(readConfig({ DOCKER_HOST: 'tcp://a:1', K2_DOCKER_HOST: 'tcp://b:2' }, []).dockerHost).toBe('tcp://b:2')
})

test('data goes where the system keeps data, or where it is told to', () => {
  expect(readConfig({ XDG_DATA_HOME: '/var/data' }, []).dataDir).toBe('/var/data/k2-sandbox')
  expect(readConfig({ K2_DATA_DIR: '/srv/../srv/k2' }, []).dataDir).toBe('/srv/k2')
})

test('a default above its limit is lowered to it', () => {
  const config = readConfig(
    { K2_MAX_MEMORY_MB: '512', K2_MAX_TIMEOUT: '60', K2_MAX_CPUS: '0.5', K2_MAX_PIDS: '100', K2_MAX_OUTPUT_KB: '1' },
    [],
  )
  expect(config.defaults).toMatchObject({ memoryMb: 512, timeoutSeconds: 60, cpus: 0.5, pids: 100, outputBytes: 1024 })
})

describe('what is wrong is said in one sentence with its name', () => {
  test.each([
    [{ K2_PORT: 'http' }, /K2_PORT.*"http"/],
    [{ K2_PORT: '70000' }, /K2_PORT.*"70000"/],
    [{ K2_PORT: '80.5' }, /K2_PORT/],
    [{ K2_ENGINE: 'podman' }, /K2_ENGINE.*"podman"/],
    [{ K2_LINK: 'tcp' }, /K2_LINK/],
    [{ K2_INSTANCE: 'Not OK' }, /K2_INSTANCE/],
    [{ K2_INSTANCE: '../x' }, /K2_INSTANCE/],
    [{ K2_LOG_LEVEL: 'loud' }, /K2_LOG_LEVEL/],
    [{ K2_MAX_STARTS: '0' }, /K2_MAX_STARTS/],
    [{ K2_PROT: '1' }, /K2_PROT is not a setting/],
    [{ K2_HOST: '0.0.0.0' }, /K2_HOST is 0\.0\.0\.0.*K2_UNSAFE_LISTEN/],
    [{ K2_HOST: '127.0.0.1.evil.example' }, /K2_UNSAFE_LISTEN/],
    [{ K2_ENGINE: 'local', K2_HOST: '0.0.0.0', K2_UNSAFE_LISTEN: '1' }, /local.*isolates nothing/],
  ])('%j', (env, sentence) => {
    expect(() => readConfig(env, [])).toThrowError(sentence)
    expect(() => readConfig(env, [])).toThrowError(ConfigError)
  })

  test.each([
    [['--prot', '1'], /--prot is not an option/],
    [['--port'], /--port needs a value/],
    [['8000'], /8000 is not an option/],
  ])('%j', (argv, sentence) => {
    expect(() => readConfig({}, argv)).toThrowError(sentence)
  })
})

test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('%s is loopback', (host) => {
  expect(readConfig({ K2_HOST: host }, []).host).toBe(host)
})

test('help and the settings table show every setting once, with its default and meaning', () => {
  const help = helpText()
  const table = settingsTable()
  for (const [name, { description, default: fallback }] of Object.entries(Settings.properties)) {
    expect(help.split('\n').filter((line) => line.includes(` K2_${name} `))).toEqual([
      expect.stringContaining(String(description)),
    ])
    expect(help).toContain(`--${name.toLowerCase().replaceAll('_', '-')} `)
    expect(table.split('\n').filter((line) => line.startsWith(`| \`K2_${name}\` |`))).toEqual([
      expect.stringContaining(String(fallback)),
    ])
  }
})

describe('settings that do not fit together', () => {
  test.each([
    [{ K2_DEFAULT_CPUS: '3', K2_MAX_CPUS: '2' }, /K2_DEFAULT_CPUS .* above K2_MAX_CPUS, which is 2/],
    [{ K2_DEFAULT_TIMEOUT: '90000' }, /above K2_MAX_TIMEOUT, which is 86400/],
    [{ K2_DEFAULT_DISK_MB: '20', K2_MAX_DISK_MB: '10' }, /above K2_MAX_DISK_MB/],
    [{ K2_ALLOWED_HOSTS: 'a.example, http://b.example' }, /"http:\/\/b.example" is no host name/],
    [{ K2_ALLOWED_HOSTS: 'a.example:80' }, /leave scheme and port out/],
    [{ K2_ALLOWED_ORIGINS: 'https://a.example/path' }, /is no origin/],
    [{ K2_ALLOWED_ORIGINS: 'a.example' }, /write it as https:\/\//],
    [{ K2_ENGINE: 'podman' }, /expected one of docker, local/],
    [{ K2_DEFAULT_TEMPLATE: 'two words' }, /K2_DEFAULT_TEMPLATE/],
  ])('%j is refused with what it may be', (env, words) => {
    expect(() => readConfig(env, [])).toThrow(words)
  })

  test('a limit below a built-in default lowers that default', () => {
    expect(readConfig({ K2_MAX_MEMORY_MB: '256' }, []).defaults.memoryMb).toBe(256)
  })

  test('hosts and origins in every form are taken', () => {
    const env = { K2_ALLOWED_HOSTS: 'a.example,10.0.0.1,[::1]', K2_ALLOWED_ORIGINS: 'https://a.example:8443,http://b' }
    expect(readConfig(env, [])).toMatchObject({ allowedOrigins: ['https://a.example:8443', 'http://b'] })
  })
})
