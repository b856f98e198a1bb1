/** A Python client made from openapi.json by openapi-python-client, compiled and type-checked, used against a live server. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { availableEngines, startServer } from './live-server.ts'
import { runProgram } from './run-program.ts'
import { toolFolder } from './tool-folder.ts'

const HERE = join(import.meta.dirname, 'python')
const DOCUMENT = join(import.meta.dirname, '..', '..', 'openapi.json')

let folder: string
beforeAll(async () => {
  folder = await toolFolder('python', [join(HERE, 'requirements.txt')], async (cwd) => {
    await runProgram('python3', ['-m', 'venv', 'venv'], { cwd, timeoutMs: 60_000 })
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt']
    await runProgram(join(cwd, 'venv', 'bin', 'python'), install, { cwd, timeoutMs: 300_000 })
  })
  await rm(join(folder, 'generated'), { recursive: true, force: true })
  const options = [
    '--output-path',
    'generated',
    '--meta',
    'none',
    '--config',
    join(HERE, 'config.yml'),
    '--fail-on-warning',
  ]
  await python('-m', 'openapi_python_client', 'generate', '--path', DOCUMENT, ...options)
  await cp(join(HERE, 'drive.py'), join(folder, 'drive.py'))
}, 490_000)

const python = (...args: string[]) =>
  runProgram(join(folder, 'venv', 'bin', 'python'), args, { cwd: folder, timeoutMs: 120_000 })

test('the generated client compiles and passes a strict type check, together with a program that uses it', async () => {
  await python('-m', 'compileall', '-q', '-f', 'generated', 'drive.py')
  expect(await python('-m', 'mypy', '--strict', 'drive.py', 'generated')).toMatch(/^Success: no issues/)
})

test.each(availableEngines())('the program drives a live server on the %s engine', async (engine) => {
  await using server = await startServer(engine)
  expect(await python('drive.py', server.url)).toBe('done\n')
})
