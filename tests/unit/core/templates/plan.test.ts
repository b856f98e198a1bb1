import { expect, test } from 'vitest'
import { startCommandOf } from '../../../../src/core/templates/build-state.ts'
import type { ContextFile } from '../../../../src/core/templates/context-files.ts'
import { readDockerfile } from '../../../../src/core/templates/dockerfile.ts'
import { expandVariables, expandWords } from '../../../../src/core/templates/expand.ts'
import { fromOf, planBuild, unusedArgs } from '../../../../src/core/templates/plan.ts'

const BASE = { imageId: 'sha256:base', env: { PATH: '/bin', BASE: 'yes' }, user: null, workdir: null }
const file = (path: string, text: string, mode = 0o644): ContextFile => ({
  path,
  content: Buffer.from(text).toString('base64'),
  mode,
})
const FILES = [file('app.py', 'print()'), file('src/a.js', 'a'), file('src/lib/b.js', 'b'), file('c.js', 'c', 0o755)]
const plan = (lines: string[], options: Partial<Parameters<typeof planBuild>[1]> = {}) =>
  planBuild(readDockerfile(['FROM debian', ...lines].join('\n')), {
    base: BASE,
    files: FILES,
    buildArgs: {},
    ...options,
  })
const work = (lines: string[], options = {}) => plan(lines, options).layers.map((layer) => layer.work)
const copied = (line: string) => {
  const [only] = work([line])
  if (only?.kind !== 'copy') throw new Error('no COPY')
  return { into: only.copied.intoFolder, target: only.target, names: only.copied.files.map(({ name }) => name).sort() }
}

test('words, quotes and variables as in a Dockerfile', () => {
  const scope = (name: string) => ({ A: 'one two', E: '' })[name]
  expect(
    expandWords(`a "b $A" '$A' $A \\$A \${A}x \${N:-no ne} \${E:-else} \${E-kept} \${A:+then} "\\"" $N.`, scope),
  ).toEqual(['a', 'b one two', '$A', 'one two', '$A', 'one twox', 'no ne', 'else', '', 'then', '"', '.'])
  expect(expandVariables(`"$A" 'q' \\$A $5 $`, scope)).toBe(`"one two" 'q' $A $5 $`)
})

test('ENV, ARG, WORKDIR and USER hold for the steps after them', () => {
  const made = plan(
    ['ARG V=1', 'ENV A=$V/$BASE', 'RUN one', 'WORKDIR /app', 'WORKDIR sub', 'USER app', 'ENV A="$A b"', 'RUN two'],
    { buildArgs: { V: '2' } },
  )
  expect(made.layers.map(({ user, workdir, work }) => ({ user, workdir, work }))).toEqual([
    { user: null, workdir: '/', work: { kind: 'run', command: 'one', env: { ...BASE.env, V: '2', A: '2/yes' } } },
    {
      user: 'app',
      workdir: '/app/sub',
      work: { kind: 'run', command: 'two', env: { ...BASE.env, V: '2', A: '2/yes b' } },
    },
  ])
  expect(made.state).toMatchObject({ env: { ...BASE.env, A: '2/yes b' }, user: 'app', workdir: '/app/sub' })
})

test('an image without a PATH has the usual one, for ENV to add to', () => {
  const made = plan(['ENV PATH=/opt/bin:$PATH'], { base: { ...BASE, env: {} } })
  expect(made.state.env).toEqual({
    PATH: '/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  })
})

test('the image of FROM, and ARGs that are declared anew take the global value', () => {
  const recipe = readDockerfile('ARG TAG=one\nFROM debian:$TAG\nARG TAG\nRUN echo')
  expect(fromOf(recipe, {})).toBe('debian:one')
  expect(fromOf(recipe, { TAG: 'two' })).toBe('debian:two')
  const made = planBuild(recipe, { base: BASE, files: [], buildArgs: {} })
  expect(made.layers[0]?.work).toMatchObject({ env: { TAG: 'one' } })
  expect(unusedArgs(recipe, { TAG: 'x', OTHER: 'y' })).toEqual(['OTHER'])
  expect(() => fromOf(readDockerfile('ARG X\nFROM $X'), {})).toThrow(/comes to nothing/)
})

test('COPY takes files, folders and patterns, and says what was sent when there is none', () => {
  expect(copied('COPY app.py /app/main.py')).toEqual({ into: false, target: '/app/main.py', names: ['app.py'] })
  expect(copied('COPY app.py /app/')).toEqual({ into: true, target: '/app', names: ['app.py'] })
  expect(copied('COPY ./src /app')).toEqual({ into: true, target: '/app', names: ['a.js', 'lib/b.js'] })
  expect(copied('COPY *.py *.js /app')).toEqual({ into: true, target: '/app', names: ['app.py', 'c.js'] })
  expect(copied('COPY . .').names).toEqual(['app.py', 'c.js', 'src/a.js', 'src/lib/b.js'])
  expect(() => copied('COPY missing /app')).toThrow(/line 2: COPY missing: there is no such file.*app\.py/)
  expect(() => copied('COPY ../etc /app')).toThrow(/leave \.\. out/)
})

test('a key changes with the base, the step, its files, user, folder and environment, and with those before it', () => {
  const keys = (lines: string[], options = {}) => plan(lines, options).layers.map(({ key }) => key)
  const lines = ['RUN one', 'COPY app.py /a', 'RUN two']
  const [first, second, third] = keys(lines)
  expect(keys(lines)).toEqual([first, second, third])
  expect(keys(['LABEL a=b', ...lines, 'EXPOSE 80', 'CMD x'])).toEqual([first, second, third])
  expect(keys(['RUN one', 'COPY app.py /a', 'RUN other']).slice(0, 2)).toEqual([first, second])
  const changed = [
    keys(lines, { base: { ...BASE, imageId: 'sha256:other' } }),
    keys(['ENV A=1', ...lines]),
    keys(['USER app', ...lines]),
    keys(['WORKDIR /x', ...lines]),
  ]
  for (const [one, two, three] of changed) expect([one, two, three]).not.toContain(first)
  const [same, other, after] = keys(lines, { files: [file('app.py', 'changed')] })
  expect(same).toBe(first)
  expect(other).not.toBe(second)
  expect(after).not.toBe(third)
})

test('ENTRYPOINT and CMD together', () => {
  const of = (...lines: string[]) => startCommandOf(plan(lines).state)
  expect(of()).toBeNull()
  expect(of('CMD serve')).toBe('serve')
  expect(of('CMD ["serve"]', 'ENTRYPOINT ["run"]')).toEqual(['run'])
  expect(of('ENTRYPOINT ["run"]', 'CMD ["serve", "80"]')).toEqual(['run', 'serve', '80'])
  expect(of('ENTRYPOINT ["run"]', 'CMD serve')).toEqual(['run', '/bin/sh', '-c', 'serve'])
  expect(of('ENTRYPOINT run', 'CMD ["serve"]')).toBe('run')
})
