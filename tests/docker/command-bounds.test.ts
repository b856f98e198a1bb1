import { describe, expect, test } from 'vitest'
import { LINKS, useSandbox, useServer } from '../support/live.ts'
import { waitFor } from '../support/wait-for.ts'

const MIB = 1024 * 1024

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })
  const box = useSandbox(live, { resources: { memory_mb: 256, pids: 200 } })

  test('a gigabyte of output is read to its end in bounded memory', async () => {
    const before = await live.server.residentBytes()
    let most = 0
    let ended = false
    const sampling = (async () => {
      while (!ended) {
        most = Math.max(most, await live.server.residentBytes())
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })()
    const answer = await live.api.command(
      box.id,
      'echo first; head -c 1073741824 /dev/zero | tr "\\0" x; echo; echo last',
    )
    ended = true
    await sampling
    expect(answer).toMatchObject({ truncated: true, exit_code: 0, reason: 'exited' })
    expect(answer.stdout.startsWith('first\nxxx')).toBe(true)
    expect(answer.stdout.endsWith('xxx\nlast\n')).toBe(true)
    expect(answer.stdout.length).toBeLessThan(4 * MIB + 200)
    expect(answer.stdout).toMatch(/\[\.\.\. \d+ bytes left out \.\.\.\]/)
    expect(most - before).toBeLessThan(150 * MIB)
  })

  test('a program that would fill the memory is ended and says so; the sandbox lives on', async () => {
    const bomb = `python3 -c "
data = []
print('began', flush=True)
while True: data.append(bytearray(8 * 1024 * 1024))"`
    // exec: the shell becomes the program, so that its end is the command's.
    const answer = await live.api.command(box.id, { command: `exec ${bomb}`, timeout: 30 })
    expect(answer).toMatchObject({ stdout: 'began\n', exit_code: 137, reason: 'out_of_memory', signal: 'SIGKILL' })
    expect(answer.usage.peak_memory_bytes).toBeGreaterThan(100 * MIB)
    expect(await live.api.output(box.id, 'echo alive')).toBe('alive')
  })

  test('a fork bomb and a memory bomb do not disturb another sandbox, and their own can still be used', async () => {
    const healthy = await live.api.create()
    const id = healthy.sandbox_id
    const forks = live.api.send('POST', `/sandboxes/${box.id}/command`, {
      command: 'bomb() { bomb | bomb & }; bomb; sleep 20',
      timeout: 6,
    })
    const memory = live.api.send('POST', `/sandboxes/${box.id}/command`, {
      command: 'python3 -c "a=[bytearray(4*1024*1024) for _ in range(1000)]"',
      timeout: 6,
    })
    for (let round = 0; round < 10; round++) {
      const started = performance.now()
      expect(await live.api.output(id, `echo ${round}`)).toBe(String(round))
      expect(performance.now() - started).toBeLessThan(3000)
    }
    const answers = await Promise.all([forks, memory])
    for (const { status, text } of answers) {
      if (status !== 200) expect(JSON.parse(text)).toMatchObject({ status: 503, code: 'TOO_MANY_PROCESSES' })
    }
    await waitFor('the bombs to be gone and their sandbox to work again', async () => {
      const { status, text } = await live.api.send('POST', `/sandboxes/${box.id}/command`, { command: 'ps -e | wc -l' })
      return status === 200 && Number(JSON.parse(text).stdout) < 10
    })
    await live.api.delete(id)
  })

  test('a full table of processes is a clear answer', async () => {
    const { sandbox_id: id } = await live.api.create({ resources: { pids: 150 } })
    const filling = live.api.command(id, {
      command: `exec perl -e 'for (1 .. 100) { while (defined(my $pid = fork())) { if (!$pid) { sleep 20; exit } } select(undef, undef, undef, 0.05) } sleep 20'`,
      timeout: 4,
    })
    const problem = await waitFor(
      'the table to be full',
      async () => {
        const { status, text } = await live.api.send('POST', `/sandboxes/${id}/command`, { command: 'true' })
        return status !== 200 && JSON.parse(text)
      },
      { withinMs: 4000 },
    )
    expect(problem).toMatchObject({ status: 503, code: 'TOO_MANY_PROCESSES' })
    expect((await filling).reason).toBe('timeout')
    expect(await live.api.output(id, 'echo alive')).toBe('alive')
    await live.api.delete(id)
  })

  test('a disk of memory that is full is a clear answer', async () => {
    await live.api.command(box.id, 'head -c 100000000 /dev/zero > /dev/shm/full')
    const problem = await live.api.refused('POST', `/sandboxes/${box.id}/filesystem`, {
      action: 'write',
      path: '/dev/shm/more',
      content: 'x'.repeat(100_000),
    })
    expect(problem).toMatchObject({ status: 507, code: 'NO_SPACE_IN_SANDBOX' })
    await live.api.command(box.id, 'rm /dev/shm/full')
  })
})
