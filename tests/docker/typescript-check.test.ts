/** `check_types` with the compiler of the base image. */
import { describe, expect, test } from 'vitest'
import type { Context } from '../../schemas/context.ts'
import { useSandbox, useServer } from '../support/live.ts'

describe('types that are checked', () => {
  const live = useServer()
  const box = useSandbox(live)
  const check = (code: string, more: object = {}) =>
    live.api.code(box.id, code, { language: 'typescript', check_types: true, ...more })
  const refused = (body: object) => live.api.refused('POST', `/sandboxes/${box.id}/code`, body)

  test('code with a wrong type does not run, and tells every problem with its place', async () => {
    const answer = await check('console.log("ran")\nconst n: number = "x"\nnobody')
    expect(answer).toMatchObject({
      error: {
        name: 'TypeCheckError',
        value: "Type 'string' is not assignable to type 'number'.",
        traceback: [
          "cell-1.ts:2:7 - error TS2322: Type 'string' is not assignable to type 'number'.",
          'const n: number = "x"',
          '      ~',
          "cell-1.ts:3:1 - error TS2304: Cannot find name 'nobody'.",
          'nobody',
          '~~~~~~',
        ],
      },
      logs: { stdout: [], stderr: [] },
      exit_code: 1,
      reason: 'exited',
    })
  })

  test('earlier runs of the context declare what later ones use', async () => {
    await check('interface Point { x: number }\nlet point: Point = { x: 1 }\nimport { readFileSync } from "node:fs"')
    expect(await check('point.x += readFileSync("/etc/hostname").length > 0 ? 1 : 0; point.x')).toMatchObject({
      text: '2',
      error: null,
    })
    expect((await check('point = { x: readFileSync("/etc/hostname", "utf8") }')).error?.name).toBe('TypeCheckError')
    expect((await check('const point = "other"; point')).text).toBe("'other'")
    expect((await check('point.toUpperCase()')).text).toBe("'OTHER'")
  })

  test('a context of its own checks for itself, and ends a check at the time limit', async () => {
    const { context_id } = await live.api.json<Context>('POST', `/sandboxes/${box.id}/contexts`, {
      language: 'typescript',
    })
    const within = (code: string, more: object = {}) =>
      live.api.code(box.id, code, { context_id, check_types: true, ...more })
    expect((await within('point')).error?.value).toBe("Cannot find name 'point'.")
    const slow = `type Grow<T, D extends 0[]> = D['length'] extends 20 ? T : Grow<[T, 1], [...D, 0]> | Grow<[T, 2], [...D, 0]>
const grown: Grow<1, []> = 1`
    expect(await within(slow, { timeout: 1 })).toMatchObject({ error: { name: 'TimeoutError' }, state_lost: false })
    expect((await within('const fine: number = 1; fine')).text).toBe('1')
  })

  test('only TypeScript has types to check', async () => {
    const detail = expect.stringContaining('typescript only')
    for (const language of ['python', 'javascript', 'bash', 'c'])
      expect(await refused({ code: '1', language, check_types: true })).toMatchObject({ status: 400, detail })
    const { context_id } = await live.api.json<Context>('POST', `/sandboxes/${box.id}/contexts`, { language: 'bash' })
    expect(await refused({ code: '1', context_id, check_types: true })).toMatchObject({ status: 400, detail })
    expect((await live.api.code(box.id, '1', { language: 'python', check_types: false })).text).toBe('1')
  })

  test('its own compiler and packages are found where npm puts them', async () => {
    const lib = '.local/lib/node_modules'
    await live.api.write(box.id, `${lib}/typed/package.json`, '{"name":"typed","main":"./m.js","types":"./m.d.ts"}')
    await live.api.write(box.id, `${lib}/typed/m.js`, 'exports.half = (n) => n / 2')
    await live.api.write(box.id, `${lib}/typed/m.d.ts`, 'export declare function half(n: number): number')
    expect((await check('import { half } from "typed"; half(4)')).text).toBe('2')
    expect((await check('half("x")')).error?.name).toBe('TypeCheckError')
  })
})
