/** A TypeScript client made from openapi.json by @hey-api/openapi-ts, compiled with `strict`, used against a live server. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { availableEngines, startServer } from './live-server.ts'
import { runProgram } from './run-program.ts'
import { toolFolder } from './tool-folder.ts'

const HERE = join(import.meta.dirname, 'typescript')
const DOCUMENT = join(import.meta.dirname, '..', '..', 'openapi.json')
const LIMIT = { timeoutMs: 120_000 }

let folder: string
beforeAll(async () => {
  folder = await toolFolder(
    'typescript',
    [join(HERE, 'package.json'), join(HERE, 'package-lock.json')],
    async (cwd) => {
      await runProgram('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd, timeoutMs: 300_000 })
    },
  )
  await Promise.all(['generated', 'built'].map((part) => rm(join(folder, part), { recursive: true, force: true })))
  await node('node_modules/@hey-api/openapi-ts/bin/run.js', '--input', DOCUMENT, '--output', 'generated', '--silent')
  await cp(join(HERE, 'drive.ts.txt'), join(folder, 'drive.ts'))
  await cp(join(HERE, 'tsconfig.json'), join(folder, 'tsconfig.json'))
}, 430_000)

const node = (...args: string[]) => runProgram(process.execPath, args, { cwd: folder, ...LIMIT })

test('the generated client compiles, together with a program that uses its types', async () => {
  expect(await node('node_modules/typescript/bin/tsc', '--project', '.')).toBe('')
})

test.each(availableEngines())('the program drives a live server on the %s engine', async (engine) => {
  await using server = await startServer(engine)
  const url = JSON.stringify(server.url)
  const program = `globalThis.baseUrl = ${url}; require('./built/drive.js').done.then(() => console.log('done'), fail)`
  const fail = 'function fail(error) { console.error(error); process.exitCode = 1 }'
  expect(await node('--input-type=commonjs', '--eval', `${program}; ${fail}`)).toBe('done\n')
})
