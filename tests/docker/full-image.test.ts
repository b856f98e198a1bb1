/** A small program in each language of the full image. It is built on demand only (`npm run setup -- --full`). */
import { describe, expect, test } from 'vitest'
import type { LanguageList } from '../../schemas/language.ts'
import { hasImage } from '../../scripts/setup/debian-base.ts'
import { FULL_IMAGE } from '../../scripts/setup/template-image.ts'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { dockerHost } from '../setup/docker-host.ts'
import { useSandbox, useServer } from '../support/live.ts'

/** Language → a program that prints 42 and something that is not ASCII, and one that fails. */
const PROGRAMS: [string, string, string][] = [
  ['c', '#include <stdio.h>\nint main(void) { printf("%d é\\n", 6 * 7); }', 'int main(void) { return 3; }'],
  ['cpp', '#include <iostream>\nint main() { std::cout << 6 * 7 << " é\\n"; }', 'int main() { throw 1; }'],
  [
    'go',
    'package main\nimport "fmt"\nfunc main() { fmt.Println(6*7, "é") }',
    'package main\nfunc main() { panic("no") }',
  ],
  ['rust', 'fn main() { println!("{} é", 6 * 7); }', 'fn main() { panic!("no") }'],
  [
    'java',
    'public class Main { public static void main(String[] a) throws Exception { new java.io.PrintStream(System.out, true, "UTF-8").println(6 * 7 + " é"); } }',
    'public class Main { public static void main(String[] a) { throw new IllegalStateException("no"); } }',
  ],
  ['ruby', 'puts "#{6 * 7} é"', 'raise ArgumentError, "no"'],
  ['php', '<?php echo 6 * 7, " é\\n";', '<?php throw new Exception("no");'],
  ['perl', 'print 6 * 7, " é\\n";', 'die "no\\n"'],
  ['lua', 'print(6 * 7 .. " é")', 'error("no")'],
  ['r', 'cat(6 * 7, "é\\n")', 'stop("no")'],
  ['octave', 'printf("%d é\\n", 6 * 7)', 'error("no")'],
  [
    'sql',
    "create table t (n); insert into t values (6), (7);\n.mode list\nselect (6 * max(n)) || ' é' from t;",
    'select * from missing;',
  ],
  ['sh', 'echo "$((6 * 7)) é"', 'exit 3'],
]

const { docker, close } = createDockerClient(dockerHost())
const there = await hasImage(docker, FULL_IMAGE.reference).finally(close)
const name = there ? 'the full image' : 'the full image (skipped: not built, see `npm run setup -- --full`)'

describe.skipIf(!there)(name, () => {
  const live = useServer()
  const box = useSandbox(live, { template: FULL_IMAGE.reference })

  test.each(PROGRAMS)('%s runs, and says when it fails', async (language, works, fails) => {
    const answer = await live.api.code(box.id, works, { language })
    const context_id = language === 'r' ? 'default-r' : null
    expect(answer).toMatchObject({ error: null, exit_code: 0, language, context_id })
    expect(answer.logs.stdout.map(({ line }) => line).join('')).toBe('42 é\n')
    const failed = await live.api.code(box.id, fails, { language })
    expect(failed).toMatchObject({
      reason: expect.stringMatching(/exited|signaled/),
      error: { name: expect.any(String) },
    })
    expect(failed.exit_code).not.toBe(0)
  })

  test('R keeps its state, draws, and is interrupted', async () => {
    const run = (code: string, more: object = {}) => live.api.code(box.id, code, { language: 'r', ...more })
    // R's kernel shows values as displays: none of them is the main one.
    const shown = async (code: string) => (await run(code)).results[0]?.text
    await run('x <- 6')
    expect(await shown('x * 7')).toBe('[1] 42')
    expect((await run('plot(1:3)')).results).toMatchObject([{ type: 'image/png' }])
    expect((await run('data.frame(n = c(1, 2))')).results[0]?.html).toContain('<table')
    expect(await run('while (TRUE) x', { timeout: 1 })).toMatchObject({
      error: { name: 'TimeoutError' },
      state_lost: false,
    })
    expect(await shown('x')).toBe('[1] 6')
    expect((await run('stop("so")')).error).toMatchObject({ name: 'ERROR', value: expect.stringContaining('so') })
  })

  test('R takes cwd and envs of one run', async () => {
    const r = (code: string, more: object = {}) => live.api.code(box.id, code, { language: 'r', ...more })
    const show = 'cat(getwd(), Sys.getenv("OF_RUN", "none"))'
    const printed = async (more: object) => (await r(show, more)).logs.stdout.map(({ line }) => line).join('')
    const more = { cwd: '/usr', envs: { OF_RUN: "'quoted' é" } }
    expect(await printed(more)).toBe("/usr 'quoted' é")
    expect(await printed({})).toBe('/home/user none')
    expect((await r('stop("so")', more)).error).toMatchObject({ value: expect.stringContaining('so') })
    expect(await r('while (TRUE) 1', { ...more, timeout: 1 })).toMatchObject({ reason: 'timeout', state_lost: false })
    expect(await printed({})).toBe('/home/user none')
  })

  test('it has every language that the server knows but Julia, each with its version', async () => {
    const { languages } = await live.api.json<LanguageList>('GET', `/sandboxes/${box.id}/languages`)
    const expected = ['python', 'javascript', 'typescript', 'bash', ...PROGRAMS.map(([language]) => language)]
    expect(languages.map(({ name }) => name).toSorted()).toEqual(expected.toSorted())
    for (const language of languages)
      expect(language).toMatchObject({ version: language.name === 'sh' ? null : expect.stringMatching(/^\d+\./) })
  })
})
