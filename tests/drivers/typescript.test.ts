/** Cells of TypeScript. */
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Driver } from './driver.ts'
import { type Case, main, NODES, start, table } from './node.ts'
import { VALUES } from './node-values.ts'

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

describe('TypeScript', () => {
  let driver: Driver

  beforeAll(async () => {
    driver = await start('typescript', process.execPath)
  })

  afterAll(async () => await driver.close())

  table('values', VALUES, () => driver)
  table('types', TYPED, () => driver)

  const two = NODES.length > 1
  const reason = two ? '' : ' (skipped: no other Node in /usr/bin)'
  it.skipIf(!two)(`says what is missing where nothing can erase types${reason}`, async () => {
    await using other = await start('typescript', '/usr/bin/node', { cwd: tmpdir(), env: { PATH: '/nowhere' } })
    expect((await other.run('let n: number = 1')).error).toMatchObject({ name: 'TypeScriptUnavailable' })
    expect(await main(other, '1 + 1')).toBe('2')
  })
})
