import { expect, test } from 'vitest'
import { readDockerfile } from '../../../../src/core/templates/dockerfile.ts'
import { SandboxError } from '../../../../src/errors.ts'

const read = (...lines: string[]) => readDockerfile(lines.join('\n'))
const braced = (inside: string) => `$\{${inside}}`
const steps = (...lines: string[]) =>
  read('FROM debian', ...lines).steps.map(({ line: _, text: __, words: ___, ...step }) => step)
const fault = (...lines: string[]) => {
  try {
    read(...lines)
  } catch (error) {
    expect(error).toBeInstanceOf(SandboxError)
    expect(error).toMatchObject({ code: 'DOCKERFILE_INVALID' })
    return (error as SandboxError).message
  }
  throw new Error('it was taken')
}

test('comments, empty lines, directives and continued lines', () => {
  const recipe = read(
    '# syntax=docker/dockerfile:1',
    '',
    '# a comment',
    'FROM debian:trixie-slim AS base',
    'run echo one \\',
    '  # inside of it',
    '',
    '  && echo two  \\  ',
    '  && echo three',
  )
  expect(recipe.from).toBe('debian:trixie-slim')
  expect(recipe.steps).toEqual([
    {
      kind: 'run',
      command: 'echo one   && echo two    && echo three',
      line: 5,
      text: 'RUN echo one   && echo two    && echo three',
      words: true,
    },
  ])
})

test('a program with its arguments, and shell text that begins with a bracket', () => {
  expect(steps('RUN ["echo", "a b"]', 'RUN [ -f /etc/passwd ]')).toEqual([
    { kind: 'run', command: ['echo', 'a b'] },
    { kind: 'run', command: '[ -f /etc/passwd ]' },
  ])
})

test('heredocs: alone a script, beside a command its input, quoted and with tabs', () => {
  expect(
    steps(
      'RUN <<EOF',
      'echo one',
      '# kept',
      'EOF',
      'RUN cat <<"END" > /a && true',
      '$HOME',
      'END',
      'RUN <<-TABS',
      '\techo two',
      '\tTABS',
      'RUN echo "<<NOT" $((1<<2)) \'<<NEITHER\'',
      'COPY <<a.txt <<"b.txt" /target/',
      'one $X',
      'a.txt',
      'two $X',
      'b.txt',
    ),
  ).toEqual([
    { kind: 'run', command: 'echo one\n# kept\n' },
    { kind: 'run', command: 'cat <<"END" > /a && true\n$HOME\nEND\n' },
    { kind: 'run', command: 'echo two\n' },
    { kind: 'run', command: 'echo "<<NOT" $((1<<2)) \'<<NEITHER\'' },
    {
      kind: 'copy',
      sources: [],
      inline: [
        { name: 'a.txt', content: 'one $X\n', expand: true },
        { name: 'b.txt', content: 'two $X\n', expand: false },
      ],
      target: '/target/',
      owner: null,
      mode: null,
    },
  ])
})

test('COPY with several sources, flags, quotes and as JSON', () => {
  const copy = { kind: 'copy', inline: [], owner: null, mode: null }
  expect(
    steps(
      'COPY --chown=1000:1000 --chmod=0755 --link a "b c" /app/',
      'COPY ["d e", "/f"]',
      `COPY ${braced('A:-x y')} .`,
    ),
  ).toEqual([
    { ...copy, sources: ['a', '"b c"'], target: '/app/', owner: '1000:1000', mode: 0o755 },
    { ...copy, sources: ['"d e"'], target: '"/f"' },
    { ...copy, sources: [braced('A:-x y')], target: '.' },
  ])
})

test('both forms of ENV, several ARGs, and what is only kept', () => {
  expect(
    steps(
      'ENV A=1 B="two words" C=$A',
      'ENV OLD the whole  line',
      'ARG X=1 Y',
      'LABEL "a.b"="c d"',
      'WORKDIR /app',
      'USER app',
      'EXPOSE 80 443/tcp',
      'ENTRYPOINT ["python3"]',
      'CMD app.py',
    ),
  ).toEqual([
    {
      kind: 'env',
      pairs: [
        ['A', '1'],
        ['B', '"two words"'],
        ['C', '$A'],
      ],
    },
    { kind: 'env', pairs: [['OLD', 'the whole  line']] },
    { kind: 'arg', name: 'X', fallback: '1' },
    { kind: 'arg', name: 'Y', fallback: null },
    { kind: 'label', pairs: [['a.b', '"c d"']] },
    { kind: 'workdir', path: '/app' },
    { kind: 'user', user: 'app' },
    { kind: 'expose', ports: ['80', '443/tcp'] },
    { kind: 'entrypoint', command: ['python3'] },
    { kind: 'cmd', command: 'app.py' },
  ])
})

test('ARGs before FROM', () => {
  const recipe = read('ARG TAG=trixie-slim', `FROM debian:${braced('TAG')}`, 'RUN true')
  expect(recipe).toMatchObject({ from: `debian:${braced('TAG')}`, globals: [{ name: 'TAG', fallback: 'trixie-slim' }] })
})

test.for([
  ['ADD https://example.com/a /a', /line 2: ADD is not supported; use COPY/],
  ['FROM debian AS two', /line 2: a second FROM/],
  ['ONBUILD RUN true', /line 2: ONBUILD/],
  ['VOLUME /data', /line 2: VOLUME/],
  ['HEALTHCHECK CMD true', /line 2: HEALTHCHECK.*ready/],
  ['SHELL ["bash"]', /line 2: SHELL/],
  ['STOPSIGNAL 9', /line 2: STOPSIGNAL/],
  ['COPY --from=other /a /b', /line 2: COPY --from/],
  ['COPY a', /line 2: COPY takes sources and a target/],
  ['COPY --chmod=u+x a b', /line 2: COPY --chmod takes a mode in octal/],
  ['RUN --mount=type=cache,target=/x true', /line 2: RUN --mount/],
  ['RUN <<EOF', /line 2: the text after <<EOF has no end/],
  ['RUN', /line 2: RUN needs/],
  ['RNU true', /line 2: RNU is no instruction/],
  ['ENV A', /line 2: ENV A has no value/],
  ['ARG A-B=1', /line 2: A-B can't be the name/],
] as const)('%s is refused with its line and what to do', ([line, message]) => {
  expect(fault('FROM debian', line)).toMatch(message)
})

test('a Dockerfile without FROM, with a step before it, or with another escape character is refused', () => {
  expect(fault('')).toMatch(/no FROM/)
  expect(fault('RUN true', 'FROM debian')).toMatch(/line 1: RUN before FROM/)
  expect(fault('# escape=`', 'FROM debian')).toMatch(/line 1: another escape character/)
  expect(fault('FROM --platform=linux/arm64 debian')).toMatch(/line 1: FROM --platform/)
  expect(fault('FROM debian', ...Array.from({ length: 201 }, () => 'RUN true'))).toMatch(/more than 200 steps/)
})
