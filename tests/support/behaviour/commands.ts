import { expect, test } from 'vitest'
import { type Live, useSandbox } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** What a command does on every engine and over every link. */
export function describeCommands(live: Live): void {
  const box = useSandbox(live)
  const run = (command: string, more: object = {}) => live.api.command(box.id, { command, ...more })

  test('stdout, stderr and exit code come apart', async () => {
    expect(await run('echo out; echo err >&2; exit 3')).toMatchObject({
      stdout: 'out\n',
      stderr: 'err\n',
      exit_code: 3,
      reason: 'exited',
      signal: null,
      truncated: false,
      encoding: 'utf-8',
      process_id: expect.any(String),
    })
  })

  test('it is shell: pipes, redirects, variables and several lines work', async () => {
    const script = 'for n in 3 1 2; do\n  echo $n\ndone | sort > "$HOME"/sorted\ncat "$HOME"/sorted; rm "$HOME"/sorted'
    expect((await run(script)).stdout).toBe('1\n2\n3\n')
  })

  test('a program that ends itself by a signal says which', async () => {
    expect(await run('kill -SEGV $$')).toMatchObject({ exit_code: 139, reason: 'signaled', signal: 'SIGSEGV' })
  })

  test('at the time limit it answers 124 with what was printed until then, and nothing of it is left', async () => {
    const started = performance.now()
    const answer = await run(
      'echo before; echo trouble >&2; sleep 31.25 & (trap "" TERM HUP INT; sleep 31.25); echo after',
      { timeout: 0.5 },
    )
    expect(answer).toMatchObject({ stdout: 'before\n', stderr: 'trouble\n', exit_code: 124, reason: 'timeout' })
    expect(answer.execution_time).toBeGreaterThan(0.4)
    expect(performance.now() - started).toBeLessThan(3000)
    expect(await live.api.output(box.id, 'pgrep -fx "sleep 31.25" || echo none')).toBe('none')
  })

  test('a process that left its session after a double fork is killed at the time limit too', async () => {
    const script =
      'setsid sh -c "setsid sleep 32.25 & exit" & sleep 0.2; pgrep -fx "sleep 32.25" >/dev/null && echo escaped; sleep 60'
    expect(await run(script, { timeout: 0.8 })).toMatchObject({ stdout: 'escaped\n', reason: 'timeout' })
    expect(await live.api.output(box.id, 'pgrep -fx "sleep 32.25" || echo none')).toBe('none')
  })

  test('a background child that holds the output does not hold up the answer', async () => {
    const started = performance.now()
    expect(await run('sleep 33.25 & echo started')).toMatchObject({ stdout: 'started\n', exit_code: 0 })
    expect(performance.now() - started).toBeLessThan(3000)
    await run('pkill -fx "sleep 33.25"')
  })

  test("the call's environment wins over the sandbox's, for that call only", async () => {
    const mine = await live.api.create({ envs: { A: 'sandbox', B: 'sandbox' } })
    try {
      const both = 'echo "$A $B"'
      expect(await live.api.output(mine.sandbox_id, both, { envs: { B: 'call' } })).toBe('sandbox call')
      expect(await live.api.output(mine.sandbox_id, both)).toBe('sandbox sandbox')
    } finally {
      await live.api.delete(mine.sandbox_id)
    }
  })

  test('values of the environment are passed on byte by byte', async () => {
    const value = 'a "b" \'c\' $HOME `id` \\ ü 漢字 🙂\n\ttab=x'
    expect((await run('printf %s "$VALUE"', { envs: { VALUE: value } })).stdout).toBe(value)
  })

  test('cwd is where it runs, taken as it is', async () => {
    const folder = '"; echo injected; "ü $(id)'
    await run('mkdir -p "$NAME"', { envs: { NAME: folder } })
    const home = await live.api.output(box.id, 'pwd')
    expect((await run('pwd', { cwd: `${home}/${folder}` })).stdout).toBe(`${home}/${folder}\n`)
    expect((await run('pwd', { cwd: '' })).stdout).toBe(`${home}\n`)
    await run('rmdir "$NAME"', { envs: { NAME: folder } })
  })

  test.each([
    ['/does/not/exist', 'CWD_NOT_FOUND'],
    ['/etc/passwd', 'CWD_NOT_A_DIRECTORY'],
    ['/etc/passwd/below', 'CWD_NOT_A_DIRECTORY'],
  ])('cwd %s is refused', async (cwd, code) => {
    const problem = await live.api.refused('POST', `/sandboxes/${box.id}/command`, { command: 'pwd', cwd })
    expect(problem).toMatchObject({ status: 400, code, detail: expect.stringContaining('/') })
  })

  test('text of any language goes in and comes out', async () => {
    expect((await run("printf 'grüße 漢字 🙂 \\033[1m'")).stdout).toBe('grüße 漢字 🙂 \u001b[1m')
  })

  test('output that is not UTF-8 is replaced as text and exact as base64', async () => {
    const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x00, 0x80, 0x62])
    const command = "printf 'a\\377\\376\\000\\200b'; printf '\\303' >&2"
    expect(await run(command)).toMatchObject({ stdout: 'a\ufffd\ufffd\0\ufffdb', stderr: '\ufffd', exit_code: 0 })
    expect(await run(command, { encoding: 'base64' })).toMatchObject({
      stdout: bytes.toString('base64'),
      stderr: 'ww==',
      encoding: 'base64',
    })
  })

  test('more output than the limit loses its middle and says so; the end is there', async () => {
    const answer = await run('i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done', {
      output_limit_bytes: 2048,
    })
    expect(answer).toMatchObject({ truncated: true, exit_code: 0 })
    expect(answer.stdout.startsWith('line 0\nline 1\n')).toBe(true)
    expect(answer.stdout.endsWith('line 1999\n')).toBe(true)
    expect(answer.stdout.length).toBeLessThan(2200)
  })

  test('a client that leaves ends its command, as can be seen from inside', async () => {
    const leaving = new AbortController()
    const call = run('true') // the link is open
    await call
    const left = live.api.command(box.id, 'sleep 34.25', { signal: leaving.signal })
    const find = () => live.api.command(box.id, 'pgrep -fx "sleep 34.25"')
    await waitFor('the command to run', async () => (await find()).exit_code === 0)
    leaving.abort()
    await expect(left).rejects.toThrow()
    await waitFor('the command to be gone', async () => (await find()).exit_code === 1)
  })

  test('clients that leave while their command is being started leave nothing', async () => {
    const left = Array.from({ length: 60 }, (_, index) =>
      live.api.command(box.id, 'sleep 36.25', { signal: AbortSignal.timeout(1 + (index % 20)) }).catch(() => undefined),
    )
    await Promise.all(left)
    await waitFor('all of them to be gone', async () => {
      const { stdout } = await live.api.command(box.id, 'pgrep -fx "sleep 36.25" || echo none')
      return stdout === 'none\n'
    })
  })

  test('sixty-four at once answer each with their own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) => run(`sleep 0.1; echo ${index}; exit ${index}`)),
    )
    expect(answers.map(({ stdout, exit_code }) => [stdout, exit_code])).toEqual(
      answers.map((_, index) => [`${index}\n`, index]),
    )
  })

  test('a command of a megabyte is taken', async () => {
    const comment = 'x'.repeat(1024 * 1024)
    const answer = await live.api.send('POST', `/sandboxes/${box.id}/command`, { command: `: ${comment}\necho done` })
    // A kernel takes 128 KiB an argument: either it works some other way, or the answer says what is wrong.
    if (answer.status === 200) expect(JSON.parse(answer.text)).toMatchObject({ stdout: 'done\n', exit_code: 0 })
    else
      expect(JSON.parse(answer.text)).toMatchObject({
        status: expect.toSatisfy((status) => status === 400 || status === 413 || status === 422),
        detail: expect.stringMatching(/long|large/i),
      })
  })

  test('an environment that no program can be started with is refused as such', async () => {
    const envs = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`LARGE_${index}`, 'x'.repeat(40_000)]))
    const problem = await live.api.refused('POST', `/sandboxes/${box.id}/command`, { command: 'true', envs })
    expect(problem.status).toBeGreaterThanOrEqual(400)
    expect(problem.status).toBeLessThan(500)
    expect(problem.detail).toMatch(/environment|envs|arguments|large|long/i)
  })

  test('usage is what it used', async () => {
    const { usage, execution_time } = await run('i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.3')
    expect(usage.cpu_seconds).toBeGreaterThan(0.02)
    expect(usage.cpu_seconds).toBeLessThan(execution_time)
    expect(usage.wall_seconds).toBeGreaterThan(0.3)
    expect(Math.abs(usage.wall_seconds - execution_time)).toBeLessThan(0.2)
    expect(usage.peak_memory_bytes).toBeGreaterThan(100_000)
  })

  test('a running command is in the list of processes, and how it ended stays there', async () => {
    const leaving = new AbortController()
    const left = live.api.command(box.id, 'sleep 35.25', { signal: leaving.signal })
    const find = async () =>
      (await live.api.processes(box.id)).processes.find(({ command }) => command === 'sleep 35.25')
    const running = await waitFor('the command in the list', find)
    expect(running).toMatchObject({ state: 'running', exit_code: null, reason: null, ended_at: null })
    leaving.abort()
    await expect(left).rejects.toThrow()
    const ended = await waitFor('its end', async () => {
      const now = await find()
      return now?.state === 'exited' && now
    })
    expect(ended).toMatchObject({ process_id: running.process_id, reason: 'killed', signal: 'SIGKILL', exit_code: 137 })
  })
}
