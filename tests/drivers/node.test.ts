import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Driver, type DriverOptions, type Language, startDriver } from './driver.ts'

/** Interrupted code leaves Node's bookkeeping of asynchronous ids as it was: without this flag Node ends the process then. */
const FLAGS = ['--no-force-async-hooks-checks']
const NODES = [process.execPath, '/usr/bin/node'].filter((program) => existsSync(program))

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

interface Case {
  title: string
  /** The last one is the one that is looked at. */
  cells: string[]
  main?: string
  stdout?: string
  stderr?: string
  error?: { name: string; value?: string; traceback?: string[] }
  exitCode?: number
}

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'k2-node-'))
  writeFileSync(join(folder, 'local.mjs'), "export const a = 'A', b = 'B'\nexport default 'D'\n")
  writeFileSync(join(folder, 'local.cjs'), "module.exports = { c: 'C' }\n")
  writeFileSync(join(folder, 'data.json'), '{"n":1}\n')
  const installed = join(folder, 'global', 'node_modules', 'installed')
  mkdirSync(installed, { recursive: true })
  writeFileSync(
    join(installed, 'package.json'),
    '{"name":"installed","exports":{"import":"./i.mjs","require":"./r.cjs"}}',
  )
  writeFileSync(join(installed, 'i.mjs'), "export const how = 'import'\n")
  writeFileSync(join(installed, 'r.cjs'), "exports.how = 'require'\n")
  mkdirSync(join(folder, 'other'))
  writeFileSync(join(folder, 'other', 'local.mjs'), "export const a = 'other'\n")
})

afterAll(() => rmSync(folder, { recursive: true }))

async function start(language: Language, program: string, options: DriverOptions = {}): Promise<Driver> {
  return await startDriver(language, { program, flags: FLAGS, cwd: folder, ...options })
}

/** The text form of a run's last expression. */
async function main(driver: Driver, code: string): Promise<unknown> {
  const result = await driver.run(code)
  expect(result.error).toBeUndefined()
  return result.displays.at(-1)?.data['text/plain']
}

const VALUES: Case[] = [
  { title: 'shows the value of the last expression', cells: ['1 + 1'], main: '2' },
  { title: 'shows it as well where a semicolon ends it', cells: ['1 + 1;'], main: '2' },
  { title: 'shows nothing for undefined', cells: ['undefined'] },
  { title: 'shows nothing for a declaration', cells: ['const shown = 1'] },
  { title: 'quotes strings', cells: ['"text"'], main: "'text'" },
  { title: 'shows -0', cells: ['-0'], main: '-0' },
  { title: 'shows NaN', cells: ['0 / 0'], main: 'NaN' },
  { title: 'shows big integers', cells: ['2n ** 70n'], main: '1180591620717411303424n' },
  { title: 'shows null', cells: ['null'], main: 'null' },
  {
    title: 'shows what refers to itself',
    cells: ['const loop = {}; loop.loop = loop; loop'],
    main: '<ref *1> { loop: [Circular *1] }',
  },
  {
    title: 'runs no traps of a proxy',
    cells: ['new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 } })'],
    main: 'Proxy [ {}, { get: [Function: get], ownKeys: [Function: ownKeys] } ]',
  },
  {
    title: 'awaits at the top level',
    cells: ['const waited = await new Promise((r) => setTimeout(r, 1, 7)); waited + 1'],
    main: '8',
  },
  { title: 'awaits a promise that is the value', cells: ['(async () => 5)()'], main: '5' },
  { title: 'has the functions of earlier cells', cells: ['function twice(n) { return 2 * n }', 'twice(4)'], main: '8' },
  { title: 'declares const again', cells: ['const again = 1', 'const again = 2; again'], main: '2' },
  {
    title: 'declares a class again',
    cells: ['class Again {}', 'class Again { n = 1 }; new Again()'],
    main: 'Again { n: 1 }',
  },
  { title: 'declares with another keyword', cells: ['function f1() {}', 'const f1 = () => 3; f1()'], main: '3' },
  {
    title: 'declares a function where a const was',
    cells: ['const f2 = 1', 'async function f2() { return 4 }\nf2()'],
    main: '4',
  },
  {
    title: 'changes with let what was a const',
    cells: ['const total = 1', 'let total = 0; for (const n of [1, 2]) total += n; total'],
    main: '3',
  },
  {
    title: 'declares a part of a structure again',
    cells: ['function part() {}', 'const { part, other: [rest] } = { part: 1, other: [2] }; part + rest'],
    main: '3',
  },
  {
    title: 'keeps const constant in its cell',
    cells: ['const fixed = 1; fixed = 2'],
    error: { name: 'TypeError', value: 'Assignment to constant variable.' },
  },
  {
    title: 'prints to both streams',
    cells: ['console.log("a"); console.error("b"); process.stdout.write("c")'],
    stdout: 'a\nc',
    stderr: 'b\n',
    main: 'true',
  },
  {
    title: 'prints what children print',
    cells: ['console.log(1); void require("child_process").execSync("echo 2", { stdio: "inherit" }); console.log(3)'],
    stdout: '1\n2\n3\n',
  },
  {
    title: 'prints stacks without the driver',
    cells: ['try { null.x } catch (error) { console.log(error.stack.split("\\n").length) }; await 1'],
    stdout: '2\n',
    main: '1',
  },
  {
    title: 'survives the end of its output stream',
    cells: ['process.stdout.end(); console.log("still")'],
    stdout: 'still\n',
  },
  {
    title: 'gives the code a plain argv',
    cells: ['process.argv.slice(1).length + process.execArgv.length'],
    main: '0',
  },
  {
    title: 'runs immediates in order',
    cells: [
      'const seen = []; setImmediate((n) => seen.push(n), 1); clearImmediate(setImmediate(() => seen.push(0))); await new Promise((r) => setImmediate(r)); seen',
    ],
    main: '[ 1 ]',
  },
]

const MODULES: Case[] = [
  { title: 'imports the default', cells: ['import d from "./local.mjs"', 'd'], main: "'D'" },
  {
    title: 'imports names over several lines, with comments',
    cells: ['import { a, // one\n  b as other\n} from "./local.mjs"\na + other'],
    main: "'AB'",
  },
  { title: 'imports all', cells: ['import * as all from "./local.mjs"; all.a'], main: "'A'" },
  {
    title: 'imports default and names',
    cells: ['import d1, { a as a1 } from "./local.mjs"; [d1, a1]'],
    main: "[ 'D', 'A' ]",
  },
  { title: 'imports for the effect', cells: ['import "./local.mjs"'] },
  { title: 'imports names of a CommonJS module', cells: ['import { c } from "./local.cjs"; c'], main: "'C'" },
  { title: 'imports JSON', cells: ['import data from "./data.json" with { type: "json" }; data'], main: '{ n: 1 }' },
  {
    title: 'imports dynamically, in a template too',
    cells: [`\`\${(await import("./local.mjs")).a}: import x from "y"\``],
    main: '\'A: import x from "y"\'',
  },
  { title: 'imports what NODE_PATH has', cells: ['import { how } from "installed"; how'], main: "'import'" },
  { title: 'requires what NODE_PATH has', cells: ['require("installed").how'], main: "'require'" },
  {
    title: 'imports from where the process went',
    cells: ['process.chdir("other"); const moved = (await import("./local.mjs")).a; process.chdir(".."); moved'],
    main: "'other'",
  },
  { title: 'leaves methods named import', cells: ['({ import(name) { return name } }).import(3)'], main: '3' },
  {
    title: 'strips export',
    cells: ['export const exported = 1; export { exported }; export default exported + 1'],
    main: '2',
  },
  {
    title: 'says which name a module lacks',
    cells: ['import { lacking } from "fs"'],
    error: { name: 'SyntaxError', value: "The requested module 'fs' does not provide an export named 'lacking'" },
  },
  {
    title: 'has import.meta',
    cells: ['import.meta.dirname === process.cwd() && __dirname === process.cwd()'],
    main: 'true',
  },
  { title: 'is the main module', cells: ['require.main === module'], main: 'true' },
]

const ERRORS: Case[] = [
  {
    title: 'an error with the frames of the cells',
    cells: ['function thrower() {\n  throw new RangeError("far")\n}', '\nthrower()'],
    error: {
      name: 'RangeError',
      value: 'far',
      traceback: ['RangeError: far', '    at thrower (cell-N.js:2:9)', '    at cell-N.js:2:1'],
    },
  },
  {
    title: 'a syntax error with its place',
    cells: ['let fine = 1\nconst = 5'],
    error: {
      name: 'SyntaxError',
      value: "Unexpected token '='",
      traceback: ['cell-N.js:2', 'const = 5', '      ^', '', "SyntaxError: Unexpected token '='"],
    },
  },
  {
    title: 'a class of its own',
    cells: ['class Own extends Error {}; throw new Own("mine")'],
    error: { name: 'Own', value: 'mine' },
  },
  { title: 'a number', cells: ['throw 5'], error: { name: 'Uncaught', value: '5', traceback: ['Uncaught 5'] } },
  { title: 'null', cells: ['throw null'], error: { name: 'Uncaught', value: 'null' } },
  { title: 'undefined', cells: ['throw undefined'], error: { name: 'Uncaught', value: 'undefined' } },
  {
    title: 'getters that throw',
    cells: ['throw { get message() { throw 1 }, get stack() { throw 2 }, get name() { throw 3 } }'],
    error: { name: 'Uncaught' },
  },
  {
    title: 'a proxy that throws',
    cells: ['throw new Proxy(new Error("x"), { get() { throw 1 } })'],
    error: { name: 'Uncaught' },
  },
  {
    title: 'a cause',
    cells: ['throw new Error("outer", { cause: new TypeError("inner") })'],
    error: {
      name: 'Error',
      value: 'outer',
      traceback: [
        'Error: outer',
        '    at cell-N.js:1:7 {',
        '  [cause]: TypeError: inner',
        '      at cell-N.js:1:35',
        '}',
      ],
    },
  },
  {
    title: 'many errors',
    cells: ['await Promise.any([Promise.reject(new Error("a"))])'],
    error: { name: 'AggregateError' },
  },
  {
    title: 'a rejection as the value',
    cells: ['Promise.reject(new Error("no"))'],
    error: { name: 'Error', value: 'no' },
  },
  {
    title: 'a rejection that nobody handles',
    cells: ['Promise.reject(new Error("lost")); 5'],
    main: '5',
    error: { name: 'Error', value: 'lost' },
  },
  {
    title: 'an error in a timer',
    cells: ['setTimeout(() => { throw new Error("late") }, 1); await new Promise(() => {})'],
    error: { name: 'Error', value: 'late' },
  },
  {
    title: 'an error where nobody listens any more',
    cells: [
      'process.removeAllListeners()',
      'setTimeout(() => { throw new Error("heard") }, 1); await new Promise(() => {})',
    ],
    error: { name: 'Error', value: 'heard', traceback: ['Error: heard', '    at Timeout._onTimeout (cell-N.js:1:26)'] },
  },
  {
    title: 'an error in a tick',
    cells: ['process.nextTick(() => { throw new Error("tick") }); 5'],
    error: { name: 'Error', value: 'tick' },
  },
  {
    title: 'too deep a recursion',
    cells: ['(function deep() { deep() })()'],
    error: { name: 'RangeError', value: 'Maximum call stack size exceeded' },
  },
  {
    title: 'the reading of descriptor 0',
    cells: ['require("fs").readFileSync(0)'],
    error: { name: 'Error', value: 'there is no standard input here: put the data into a variable or a file' },
  },
  {
    title: 'prompt()',
    cells: ['prompt("name?")'],
    error: { name: 'Error', value: 'there is no standard input here: put the data into a variable or a file' },
  },
  {
    title: 'process.stdin',
    cells: ['for await (const line of require("readline").createInterface({ input: process.stdin })) line'],
    error: { name: 'Error', value: 'there is no standard input here: put the data into a variable or a file' },
  },
  { title: 'display of what is no JSON', cells: ['display.json({ n: 1n })'], error: { name: 'TypeError' } },
]

const EXITS: Case[] = [
  {
    title: 'ends the run with the code',
    cells: ['console.log(1); process.exit(3); console.log(2)'],
    stdout: '1\n',
    exitCode: 3,
  },
  {
    title: 'is not to be caught',
    cells: ['try { process.exit(4) } catch { console.log("caught") } finally { console.log("finally") }'],
    exitCode: 4,
  },
  {
    title: 'works after an await',
    cells: ['await new Promise((r) => setTimeout(r, 1)); try { process.exit(5) } catch {}'],
    exitCode: 5,
  },
  {
    title: 'works in a timer',
    cells: ['setTimeout(() => process.exit(6), 1); await new Promise(() => {})'],
    exitCode: 6,
  },
  {
    title: 'works in an immediate',
    cells: ['await new Promise((r) => setImmediate(r)); process.exit(7)'],
    exitCode: 7,
  },
  { title: 'takes process.exitCode', cells: ['process.exitCode = 9'], exitCode: 9, main: '9' },
  { title: 'is 0 without a code', cells: ['process.exit()'], exitCode: 0 },
]

const TYPED: Case[] = [
  {
    title: 'erases types',
    cells: ['let n: number = 5; const id = <T,>(x: T): T => x', 'id<number>(n) satisfies number'],
    main: '5',
  },
  { title: 'has enums', cells: ['enum Color { Red, Green = "g" }', 'Color.Green'], main: "'g'" },
  { title: 'has namespaces', cells: ['namespace Space { export const inside = 1 }', 'Space.inside'], main: '1' },
  {
    title: 'has parameter properties',
    cells: ['class Point { constructor(public x: number) {} }; new Point(1)'],
    main: 'Point { x: 1 }',
  },
  {
    title: 'keeps imports that a later cell uses',
    cells: ['import { a } from "./local.mjs"; import type { Gone } from "nowhere"; interface I {}', 'a'],
    main: "'A'",
  },
  {
    title: 'ignores types that are imported as values',
    cells: ['import { a as a2, type T } from "./local.mjs"; a2'],
    main: "'A'",
  },
  { title: 'runs plain code as it is', cells: ['1 + 1'], main: '2' },
  { title: 'awaits', cells: ['const value: number = await Promise.resolve(2); value'], main: '2' },
  {
    title: 'has the lines of the source in errors',
    cells: ['interface A {\n  a: string\n}\n\nthrow new Error("ts" as string)'],
    error: { name: 'Error', value: 'ts', traceback: ['Error: ts', '    at cell-N.ts:5:7'] },
  },
  {
    title: 'has them after a transformation',
    cells: ['enum E { A }\ninterface A {\n  a: string\n}\n\nthrow new Error("ts")'],
    error: { name: 'Error', value: 'ts', traceback: ['Error: ts', '    at cell-N.ts:6:7'] },
  },
  { title: 'says where the syntax is wrong', cells: ['let fine = 1\nlet y: = 5'], error: { name: 'SyntaxError' } },
]

async function check(driver: Driver, { cells, main, stdout = '', stderr = '', error, exitCode }: Case): Promise<void> {
  for (const cell of cells.slice(0, -1)) expect((await driver.run(cell)).error).toBeUndefined()
  const result = await driver.run(cells.at(-1) ?? '')
  const failure = result.error && {
    ...result.error,
    traceback: result.error.traceback?.map((line) => line.replace(/cell-\d+/g, 'cell-N')),
  }
  if (error) expect(failure).toMatchObject(error)
  else expect(failure).toBeUndefined()
  expect(result.displays.map((display) => display.data['text/plain'])).toEqual(main === undefined ? [] : [main])
  expect(result.displays.every((display) => display.main && !display.ack)).toBe(true)
  expect({ stdout: result.stdout, stderr: result.stderr }).toEqual({ stdout, stderr })
  expect(result.exitCode).toBe(exitCode ?? (error ? 1 : 0))
  expect(await driver.run('1')).toMatchObject({ exitCode: 0, error: undefined })
}

function table(name: string, cases: Case[], driver: () => Driver): void {
  describe(name, () => {
    it.each(cases)('$title', async (entry) => await check(driver(), entry))
  })
}

describe.each(NODES)('JavaScript with %s', (program) => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start('javascript', program, { env: { NODE_PATH: join(folder, 'global', 'node_modules') } })
  })

  afterAll(async () => await driver.close())

  table('values', VALUES, () => driver)
  table('modules', MODULES, () => driver)
  table('errors', ERRORS, () => driver)
  table('exit', EXITS, () => driver)

  it('says which version it is', async () => {
    expect(await main(driver, 'process.versions.node')).toBe(`'${driver.version}'`)
  })

  it('displays in the order of what is printed', async () => {
    const { order } = await driver.run('console.log(1); display.html("<b>2</b>"); console.log(3); display({ n: 4 })')
    expect(order.map((item) => ('display' in item ? item.display.data : item))).toEqual([
      { stdout: '1\n' },
      { 'text/html': '<b>2</b>' },
      { stdout: '3\n' },
      { 'text/plain': '{ n: 4 }' },
    ])
  })

  it.each([
    ['display("text")', { 'text/plain': 'text' }],
    ['display("# t", { mime: "text/markdown" })', { 'text/markdown': '# t' }],
    ['display.json({ a: [1, null] })', { 'application/json': { a: [1, null] } }],
    ['display.svg("<svg/>")', { 'image/svg+xml': '<svg/>' }],
    [`display.png(Buffer.from("${PNG}", "base64"))`, { 'image/png': PNG }],
    [`display(Buffer.from("${PNG}", "base64"))`, expect.objectContaining({ 'image/png': PNG })],
    ['display({ "text/html": "<i>", "text/plain": "i" }, { raw: true })', { 'text/html': '<i>', 'text/plain': 'i' }],
    ['display({ toHtml: () => "<u>" })', expect.objectContaining({ 'text/html': '<u>' })],
    [
      'display({ [Symbol.for("Jupyter.display")]: () => ({ "text/plain": "p", "application/json": { a: 1 } }) })',
      { 'text/plain': 'p', 'application/json': { a: 1 } },
    ],
  ])('%s', async (code, data) => {
    const { displays, error } = await driver.run(code)
    expect(error).toBeUndefined()
    expect(displays).toMatchObject([{ data, main: false, ack: true, display_id: null, update: false, truncated: [] }])
  })

  it('names displays and replaces them', async () => {
    const { displays } = await driver.run('display(1, { display_id: "a" }); display.update(2, { display_id: "a" })')
    expect(displays).toMatchObject([
      { display_id: 'a', update: false, data: { 'text/plain': '1' } },
      { display_id: 'a', update: true, data: { 'text/plain': '2' } },
    ])
  })

  it('shows the rich forms of the last value', async () => {
    const { displays } = await driver.run('({ _repr_html_: () => "<p>", toString: () => "p" })')
    expect(displays).toMatchObject([{ main: true, data: { 'text/html': '<p>' } }])
  })

  it('leaves out what is too large, and cuts text', async () => {
    const raw = '{ "text/html": "<".repeat(5000), "text/plain": "é".repeat(5000) }'
    const { displays } = await driver.run(`display(${raw}, { raw: true }); "y".repeat(9000)`, { displayBytes: 1000 })
    expect(displays.map((display) => display.truncated)).toEqual([['text/html', 'text/plain'], ['text/plain']])
    for (const { data } of displays) {
      expect(Buffer.byteLength(JSON.stringify(data))).toBeLessThanOrEqual(1000)
      expect(data['text/plain']).toMatch(/\n… \d+ bytes left out$/)
    }
  })

  it('shows the beginning of a large array quickly', async () => {
    expect(await main(driver, 'new Array(1e7).fill(0)')).toMatch(/9999900 more items\n\]$/)
  })

  it('puts the environment and the working directory of a run back, whatever happens in it', async () => {
    await driver.run('process.env.STAYS = "old"')
    const options = { cwd: join(folder, 'other'), env: { STAYS: 'new', GOES: 'x' } }
    const inside = await driver.run(
      'console.log(process.cwd(), process.env.STAYS, process.env.GOES); process.exit(1)',
      options,
    )
    expect(inside.stdout).toBe(`${join(folder, 'other')} new x\n`)
    expect(await main(driver, '[process.cwd(), process.env.STAYS, process.env.GOES]')).toBe(
      `[ '${folder}', 'old', undefined ]`,
    )
  })

  it('fails a run whose working directory is not there', async () => {
    const result = await driver.run('1', { cwd: join(folder, 'missing') })
    expect(result).toMatchObject({ exitCode: 1, error: { name: 'Error' }, displays: [] })
    expect(result.error?.value).toContain('missing')
  })

  it('tells the next run what was printed, and which error there was, after a run', async () => {
    await driver.run(
      'globalThis.soon = () => setTimeout(() => { console.log("late"); throw new Error("background") }, 20)',
    )
    await driver.run('void soon()')
    await expect.poll(() => driver.printedBetween).toEqual([{ stdout: 'late\n' }])
    const { stdout, stderr, error } = await driver.run('1')
    expect({ stdout, error }).toEqual({ stdout: 'late\n', error: undefined })
    expect(stderr).toContain('Error: background')
  })

  it('prints a lot, in order', async () => {
    const { stdout } = await driver.run(
      'for (let n = 0; n < 20000; n++) console.log(n); console.log("x".repeat(300000))',
    )
    expect(stdout.length).toBe(108_890 + 300_001)
  })

  it('takes long code', async () => {
    expect(await main(driver, `"${'x'.repeat(3_000_000)}".length`)).toBe('3000000')
  })

  it.each([
    ['a loop', 'console.log("go"); while (true) {}'],
    ['a loop that catches all', 'console.log("go"); for (;;) try { for (;;); } catch {}'],
    ['an await', 'console.log("go"); await new Promise(() => {})'],
    ['a loop after an await', 'await new Promise((r) => setTimeout(r, 200)); console.log("go"); while (true) {}'],
    ['a loop in an immediate', 'await new Promise((r) => setImmediate(r)); console.log("go"); for (;;);'],
    [
      'promises without an end',
      'console.log("go"); const on = () => Promise.resolve().then(on); on(); await new Promise(() => {})',
    ],
    ['awaits without an end', 'console.log("go"); for (;;) await null'],
    ['a regular expression', 'console.log("go"); /(a+)+b/.test("a".repeat(60))'],
    ['a blocking wait', 'console.log("go"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'],
    ['a child', 'require("child_process").execSync("echo go; exec sleep 60", { stdio: "inherit" })'],
    [
      'one child after the other',
      'for (;;) try { require("child_process").execSync("echo go; exec sleep 0.05", { stdio: "inherit" }) } catch {}',
    ],
    ['a form of the value', '({ toHtml() { console.log("go"); for (;;); } })'],
  ])('is interrupted in %s, and keeps its state', async (_, code) => {
    await driver.run('var kept = 1')
    const run = driver.start(code)
    await run.printed('go')
    driver.interrupt()
    const result = await run.result
    expect(result).toMatchObject({ exitCode: 1, error: { name: 'KeyboardInterrupt' } })
    expect(await main(driver, 'kept')).toBe('1')
  })

  it('is interrupted by a signal that comes at once', async () => {
    for (let count = 0; count < 20; count++) {
      const run = driver.start('for (;;);')
      await run.started
      driver.interrupt()
      expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    }
  })

  it.each([
    ['the very first thing it does', 'for (;;);'],
    ['what follows a first short wait', 'await new Promise((r) => setTimeout(r, 1)); console.log("go"); for (;;);'],
  ])('is interrupted in %s', async (_, code) => {
    await using other = await start('javascript', program)
    const run = other.start(code)
    await (code.includes('go') ? run.printed('go') : run.started)
    other.interrupt()
    expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    expect(await main(other, '1')).toBe('1')
  })

  it('waits for what nothing refers to, while memory is collected', async () => {
    const collect = 'require("v8").setFlagsFromString("--expose-gc"); require("vm").runInNewContext("gc")'
    const run = driver.start(
      `const gc = (() => { ${collect.replace('; ', '; return ')} })(); setTimeout(() => { gc(); gc(); console.log("go") }, 1); await new Promise(() => {})`,
    )
    await run.printed('go')
    driver.interrupt()
    expect((await run.result).error?.name).toBe('KeyboardInterrupt')
    expect(await main(driver, '1')).toBe('1')
  })

  it('ignores an interrupt between runs', async () => {
    for (let count = 0; count < 3; count++) {
      driver.interrupt()
      // Nothing tells when the process has seen the signal.
      await setTimeout(50)
      expect(await main(driver, '1')).toBe('1')
    }
  })

  it('survives what the code does to the globals', async () => {
    await using other = await start('javascript', program)
    const harm = [
      'globalThis.Promise = null; var JSON = 1; Object.prototype.x = 1; Buffer.from = null; Object.keys = null',
      'delete Array.prototype.push; Array.prototype.shift = null; String.prototype.split = RegExp.prototype.exec = null',
      'delete Array.prototype[Symbol.iterator]; console = null',
      'Map.prototype.get = null; Array.prototype.toJSON = () => 1; Error.prepareStackTrace = () => { throw 1 }; globalThis.process = undefined; 5',
    ]
    for (const cell of harm) expect((await other.run(cell)).error).toBeUndefined()
    expect(await main(other, '40 + 2')).toBe('42')
    expect((await other.run('throw new Error("x")')).error).toMatchObject({ value: 'x' })
    expect((await other.run('display.html("<b>")')).displays).toHaveLength(1)
    expect((await other.run('await 1; 7')).displays).toHaveLength(1)
  })

  it('runs exit handlers at its end', async () => {
    const other = await start('javascript', program)
    await other.run(
      `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(join(folder, 'left'))}, ''))`,
    )
    expect(await other.close()).toEqual({ code: 0, signal: null })
    expect(existsSync(join(folder, 'left'))).toBe(true)
  })

  it('ends although an exit handler does not', async () => {
    const other = await start('javascript', program)
    await other.run("await new Promise((r) => setTimeout(r, 100)); process.on('exit', () => { for (;;); })")
    expect(await other.close()).toEqual({ code: 0, signal: null })
  })

  it('ends when nobody reads its events', async () => {
    const other = await start('javascript', program)
    other.closeEvents()
    const run = other.start('1')
    run.started.catch(() => {})
    await expect(run.result).rejects.toThrow('ended')
    expect(await other.exited).toMatchObject({ signal: null })
  })
})

describe('TypeScript', () => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start('typescript', process.execPath)
  })

  afterAll(async () => await driver.close())

  table('values', VALUES, () => driver)
  table('types', TYPED, () => driver)

  it.skipIf(NODES.length < 2)('says what is missing where nothing can erase types', async () => {
    await using other = await start('typescript', '/usr/bin/node', { cwd: tmpdir(), env: { PATH: '/nowhere' } })
    expect((await other.run('let n: number = 1')).error).toMatchObject({ name: 'TypeScriptUnavailable' })
    expect(await main(other, '1 + 1')).toBe('2')
  })
})
