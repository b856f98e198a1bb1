/** Cells of JavaScript: values, modules, errors and exits. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from './driver.ts'
import { type Case, folder, main, NODES, start, table } from './node.ts'
import { VALUES } from './node-values.ts'

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

  it('takes long code', async () => {
    expect(await main(driver, `"${'x'.repeat(3_000_000)}".length`)).toBe('3000000')
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
})
