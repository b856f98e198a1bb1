import { afterAll, expect, test } from 'vitest'
import { BASE_IMAGE } from '../../scripts/setup/template-image.ts'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { dockerHost } from '../setup/docker-host.ts'
import { ensureImage, HOSTILE_IMAGE, SCRATCH_IMAGE, USER_IMAGE } from '../setup/images.ts'
import { runContainer } from '../setup/run-container.ts'

const { docker, close } = createDockerClient(dockerHost())
afterAll(close)

const TYPESCRIPT = 'const sum = (a: number, b: number): number => a + b; console.log(sum(40, 2) satisfies number)'

test.for([
  [
    'python computes with numpy and pandas',
    ['python3', '-c', 'import numpy, pandas; print(pandas.Series(numpy.arange(4)).sum())'],
    '6\n',
  ],
  [
    'matplotlib draws without a display',
    [
      'python',
      '-c',
      'import matplotlib.pyplot as p; p.plot([1, 2]); p.savefig("a.png"); print(open("a.png", "rb").read(4))',
    ],
    "b'\\x89PNG'\n",
  ],
  ['node runs JavaScript', ['node', '-e', 'console.log([3, 4].map((n) => n * 2).join())'], '6,8\n'],
  [
    'esbuild runs TypeScript',
    ['sh', '-c', `echo '${TYPESCRIPT}' > a.ts && esbuild a.ts --log-level=error | node`],
    '42\n',
  ],
  [
    'tsc checks types',
    ['sh', '-c', `echo 'const n: number = "x"; export { n }' > a.ts; tsc --noEmit a.ts | grep -o TS2322`],
    'TS2322\n',
  ],
  [
    'bash is the user’s shell',
    ['bash', '-c', 'echo "$BASH $(getent passwd user)"'],
    '/usr/bin/bash user:x:1000:1000::/home/user:/bin/bash\n',
  ],
  ['gcc compiles', ['sh', '-c', 'echo "int main(){return 7;}" > a.c && cc a.c && ./a.out; echo $?'], '7\n'],
  [
    'git commits',
    [
      'sh',
      '-c',
      'git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s',
    ],
    'x\n',
  ],
  [
    'make, curl, npm and pip are there',
    ['sh', '-c', 'for p in make curl npm pip; do $p --version > /dev/null && echo $p; done'],
    'make\ncurl\nnpm\npip\n',
  ],
  [
    'text is UTF-8 and the user is not root',
    ['sh', '-c', 'python3 -c "print(chr(228))"; id -u; pwd'],
    'ä\n1000\n/home/user\n',
  ],
] as const)('base image: %s', async ([, argv, expected]) => {
  const { output, exitCode } = await runContainer(docker, { image: BASE_IMAGE.reference, argv: [...argv] })
  expect({ output, exitCode }).toEqual({ output: expected, exitCode: 0 })
})

test('base image: a virtual environment and global npm packages need no root', async () => {
  const script =
    'python3 -m venv --without-pip v && v/bin/python -c "print(1)" && npm prefix -g && touch "$(npm prefix -g)/bin/x"'
  const { output, exitCode } = await runContainer(docker, { image: BASE_IMAGE.reference, argv: ['sh', '-c', script] })
  expect({ output, exitCode }).toEqual({ output: '1\n/home/user/.local\n', exitCode: 0 })
})

test('scratch test image: runs its one program and has no shell', async () => {
  const image = await ensureImage(docker, SCRATCH_IMAGE)
  expect(await runContainer(docker, { image, argv: ['/program', 'a', 'b'] })).toEqual({ exitCode: 0, output: 'a b\n' })
  expect((await runContainer(docker, { image, argv: ['/program', 'fail'] })).exitCode).toBe(3)
  await expect(runContainer(docker, { image, argv: ['/bin/sh'] })).rejects.toThrow(/no such file/)
})

test('user test image: starts as its own user', async () => {
  const image = await ensureImage(docker, USER_IMAGE)
  const { output } = await runContainer(docker, { image, argv: ['/bin/sh', '-c', 'id -un; pwd; echo $GREETING'] })
  expect(output).toBe('app\n/srv/app\nhello\n')
})

test('hostile test image: its configuration says all that it should', async () => {
  const image = await ensureImage(docker, HOSTILE_IMAGE)
  const { Config } = await docker.getImage(image).inspect()
  expect(Config.Labels).toMatchObject({ 'k2.id': expect.any(String), 'k2.instance': 'default' })
  expect(Object.keys(Config.Volumes)).toEqual(['/data', '/home'])
  expect(Object.keys(Config.ExposedPorts ?? {})).toHaveLength(2000)
  expect(Config).toMatchObject({ StopSignal: 'SIGWINCH', User: 'nobody', Healthcheck: { Retries: 1 } })
})
