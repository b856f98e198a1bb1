/** Types of TypeScript cells, with a compiler of this machine: Debian's, or the one that the generated clients are checked with. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { type Driver, type DriverOptions, startDriver } from './driver.ts'

const FLAGS = ['--no-force-async-hooks-checks']
const CLIENTS = join(import.meta.dirname, '../../build/clients')
const compiler = [
  '/usr/share/nodejs/typescript',
  ...(existsSync(CLIENTS) ? readdirSync(CLIENTS) : []).map((folder) =>
    join(CLIENTS, folder, 'node_modules/typescript'),
  ),
].find((folder) => existsSync(join(folder, 'lib/typescript.js')))
const name = compiler ? 'types' : 'types (skipped: no compiler, see `npm test -- --project clients`)'

let folder: string
let bare: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'k2-types-'))
  bare = mkdtempSync(join(tmpdir(), 'k2-types-'))
  mkdirSync(join(folder, 'node_modules/typed'), { recursive: true })
  if (compiler) symlinkSync(compiler, join(folder, 'node_modules/typescript'))
  writeFileSync(
    join(folder, 'node_modules/typed/package.json'),
    '{"name":"typed","main":"./main.js","types":"./main.d.ts"}',
  )
  writeFileSync(join(folder, 'node_modules/typed/main.js'), 'exports.half = (n) => n / 2\n')
  writeFileSync(join(folder, 'node_modules/typed/main.d.ts'), 'export declare function half(n: number): number\n')
  mkdirSync(join(folder, 'node_modules/untyped'))
  writeFileSync(join(folder, 'node_modules/untyped/index.js'), 'exports.n = 1\n')
  writeFileSync(join(folder, 'own.ts'), 'export const own: number = 1\n')
})

afterAll(() => {
  for (const one of [folder, bare]) rmSync(one, { recursive: true })
})

async function start(options: DriverOptions = {}): Promise<Driver> {
  return await startDriver('typescript', { flags: FLAGS, cwd: folder, ...options })
}

/** Cells that are fine, and what the last one, which has a wrong type, is told; none: it is fine too. */
const CASES: { title: string; cells: string[]; value?: string }[] = [
  {
    title: 'a wrong type',
    cells: ['const n: number = "x"'],
    value: "Type 'string' is not assignable to type 'number'.",
  },
  {
    title: 'a variable of an earlier cell',
    cells: ['let n = 1', 'n.toFixed(1)', 'n = ""'],
    value: "Type 'string' is not assignable to type 'number'.",
  },
  { title: 'a variable that is changed', cells: ['let n = 1', 'n += 1; n++'] },
  { title: 'what was declared anew with another type', cells: ['const n = 1', 'const n = "x"', 'n.toUpperCase()'] },
  {
    title: 'what is no longer that type',
    cells: ['const n = 1', 'const n = "x"', 'n.quux()'],
    value: "Property 'quux' does not exist on type '\"x\"'.",
  },
  {
    title: 'an interface of an earlier cell',
    cells: ['interface P { a: string }', 'const p: P = { a: 1 }'],
    value: "Type 'number' is not assignable to type 'string'.",
  },
  {
    title: 'a generic function',
    cells: ['function id<T>(x: T): T { return x }', 'id<number>("x")'],
    value: "Argument of type 'string' is not assignable to parameter of type 'number'.",
  },
  {
    title: 'classes and enums',
    cells: ['class A { n = 1 }; enum E { X }', 'new A().n + E.X', 'new A().m'],
    value: "Property 'm' does not exist on type 'A'.",
  },
  {
    title: 'parts of structures, and var',
    cells: ['const { a, b: [c = 1] } = { a: 1, b: [2] }; for (var i = 0; i < 2; i++);', 'a + c + i'],
  },
  {
    title: 'top-level await',
    cells: ['const t = await Promise.resolve("x")', 't.length', 't.nope'],
    value: "Property 'nope' does not exist on type 'string'.",
  },
  { title: 'exports', cells: ['export const ex = 1; export default class Foo { x = 1 }', 'new Foo().x + ex'] },
  { title: 'a global declaration', cells: ['declare global { interface Array<T> { mine?: T } }', '[1].mine'] },
  {
    title: 'a package with types',
    cells: ['import { half } from "typed"', 'half("x")'],
    value: "Argument of type 'string' is not assignable to parameter of type 'number'.",
  },
  { title: 'a package without types', cells: ['import { n } from "untyped"; n.anything'] },
  {
    title: 'a file of the folder',
    cells: ['import { own } from "./own.ts"; own.toFixed()', 'own.nope'],
    value: "Property 'nope' does not exist on type 'number'.",
  },
  {
    title: 'a package that is not there',
    cells: ['import x from "not-there"'],
    value: "Cannot find module 'not-there' or its corresponding type declarations.",
  },
  {
    title: 'what Node and the driver define',
    cells: [
      'import { join } from "node:path"; display("x"); process.pid; require("fs"); setTimeout(() => {}, 0); join("a", "b")',
    ],
  },
  { title: 'a name that is not there', cells: ['nobody'], value: "Cannot find name 'nobody'." },
  { title: 'code that is none', cells: ['let q = ;'], value: 'Expression expected.' },
  { title: 'null, strictly', cells: ['const m = /x/.exec("x"); m.index'], value: "'m' is possibly 'null'." },
]

describe.skipIf(!compiler)(name, () => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start()
  })

  afterAll(async () => await driver.close())

  it.each(CASES)('$title', async ({ cells, value }) => {
    for (const cell of cells.slice(0, -1)) expect((await driver.run(cell, { checkTypes: true })).error).toBeUndefined()
    const last = await driver.run(`console.log("ran");\n${cells.at(-1)}`, { checkTypes: true })
    if (value === undefined) expect(last).toMatchObject({ error: undefined, stdout: expect.stringContaining('ran') })
    else expect(last).toMatchObject({ error: { name: 'TypeCheckError', value }, stdout: '', exitCode: 1 })
  })

  it('every problem has its place in the cell', async () => {
    const { error } = await driver.run('const one: number = "x"\n\nlet two: string =\n\t2', { checkTypes: true })
    expect(error?.traceback).toEqual([
      expect.stringMatching(/^cell-\d+\.ts:1:7 - error TS2322: Type 'string' is not assignable to type 'number'\.$/),
      'const one: number = "x"',
      '      ~~~',
      expect.stringMatching(/^cell-\d+\.ts:3:5 - error TS2322: Type 'number' is not assignable to type 'string'\.$/),
      'let two: string =',
      '    ~~~',
    ])
  })

  it('many problems are not all told', async () => {
    const { error } = await driver.run(Array.from({ length: 50 }, (_, n) => `nobody${n}`).join('\n'), {
      checkTypes: true,
    })
    expect(error?.traceback?.at(-1)).toBe('… and 30 more')
  })

  it('cells that were not checked, or failed, are earlier ones, or not', async () => {
    await driver.run('let unchecked = 1')
    await driver.run('let failed = 1; throw new Error("no")')
    expect((await driver.run('unchecked.toFixed()', { checkTypes: true })).error).toBeUndefined()
    expect((await driver.run('failed', { checkTypes: true })).error?.value).toMatch(/^Cannot find name 'failed'/)
  })

  it('without being asked nothing is checked', async () => {
    expect((await driver.run('const free: number = "x"; free')).displays[0]?.data['text/plain']).toBe("'x'")
  })

  it('is interrupted, and goes on', async () => {
    // Many levels of a recursive type keep the compiler busy.
    const slow =
      'type Grow<T, D extends number[]> = D["length"] extends 9 ? T : Grow<T | [T, D], [...D, 0]> | Grow<[T], [...D, 1]>; let g: Grow<1, []>'
    const run = driver.start(slow, { checkTypes: true })
    await run.started
    driver.interrupt()
    expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    expect((await driver.run('1 + 1', { checkTypes: true })).displays[0]?.data['text/plain']).toBe('2')
  })

  it('its process ends with the driver, and when it is killed the next check has another', async () => {
    await using other = await start()
    expect((await other.run('const n = 1', { checkTypes: true })).error).toBeUndefined()
    const [checker] = childrenOf(other.pid)
    process.kill(checker!, 'SIGKILL')
    expect((await other.run('n.nope', { checkTypes: true })).error?.name).toBe('TypeCheckError')
    const [next] = childrenOf(other.pid)
    await other.close()
    await waitFor('the end of the checker', async () => !existsSync(`/proc/${next}`))
  })
})

// Debian's package is found from every folder.
it.skipIf(compiler === '/usr/share/nodejs/typescript')(
  'without a compiler a check says what is missing, and other runs work',
  async () => {
    await using driver = await start({ cwd: bare, env: { HOME: bare, PATH: '/nowhere' } })
    const result = await driver.run('1', { checkTypes: true })
    expect(result).toMatchObject({
      error: { name: 'TypeScriptUnavailable', value: expect.stringContaining('npm install') },
    })
    expect((await driver.run('1')).error).toBeUndefined()
  },
)

function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  return readFileSync(path, 'utf8').trim().split(' ').map(Number)
}
