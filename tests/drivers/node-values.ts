import type { Case } from './node.ts'

/** What the last expression of a cell is worth, in JavaScript and in TypeScript. */
export const VALUES: Case[] = [
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
