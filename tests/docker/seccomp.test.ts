import { afterAll, expect, test } from 'vitest'
import { BASE_IMAGE } from '../../scripts/setup/template-image.ts'
import { createDockerClient } from '../../src/engine/docker/client.ts'
import { readSeccompProfile } from '../../src/engine/docker/seccomp.ts'
import { dockerHost } from '../setup/docker-host.ts'
import { runContainer } from '../setup/run-container.ts'

const { docker, close } = createDockerClient(dockerHost())
afterAll(close)

const pinned = { SecurityOpt: [`seccomp=${readSeccompProfile()}`, 'no-new-privileges:true'] }
const unconfined = { SecurityOpt: ['seccomp=unconfined'] }

/** Makes one system call and prints the name of its error, or `allowed`. */
function systemCall(call: string): string[] {
  const program = `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
answer = ${call}
print(errno.errorcode[ctypes.get_errno()] if answer < 0 else 'allowed')`
  return ['python3', '-c', program]
}

const IO_URING_SETUP = 'libc.syscall(425, 1, ctypes.create_string_buffer(120))'
const SOCKET_VSOCK = 'libc.socket(40, 1, 0)'
const UNSHARE_NEWUSER = 'libc.unshare(0x10000000)'

test.for([
  ['io_uring_setup', IO_URING_SETUP],
  ['socket(AF_VSOCK)', SOCKET_VSOCK],
  ['socket(AF_ALG)', 'libc.socket(38, 5, 0)'],
  ['unshare(CLONE_NEWUSER)', UNSHARE_NEWUSER],
] as const)('the pinned profile refuses %s', async ([, call]) => {
  const { output, exitCode } = await runContainer(docker, {
    image: BASE_IMAGE.reference,
    argv: systemCall(call),
    hostConfig: pinned,
  })
  expect({ output, exitCode }).toEqual({ output: 'EPERM\n', exitCode: 0 })
})

test('without a profile the kernel lets a sandbox unshare its user namespace: the refusal above is the profile’s', async () => {
  const argv = systemCall(UNSHARE_NEWUSER)
  const { output } = await runContainer(docker, { image: BASE_IMAGE.reference, argv, hostConfig: unconfined })
  expect(output).toBe('allowed\n')
})

test.for([
  [
    'python with threads and processes',
    ['python3', '-c', 'import multiprocessing as m; print(m.Pool(2).map(abs, [-1, -2]))'],
    '[1, 2]\n',
  ],
  [
    'node with workers',
    ['node', '-e', 'new (require("worker_threads").Worker)("console.log(1+1)", { eval: true })'],
    '2\n',
  ],
  ['a C compiler', ['sh', '-c', 'echo "int main(){return 42;}" > a.c && gcc a.c && ./a.out; echo $?'], '42\n'],
] as const)('the pinned profile lets %s work', async ([, argv, expected]) => {
  const { output } = await runContainer(docker, { image: BASE_IMAGE.reference, argv: [...argv], hostConfig: pinned })
  expect(output).toBe(expected)
})
