import { expect, test } from 'vitest'
import type { ProcessInfo } from '../../../schemas/process.ts'
import { type Live, useSandbox } from '../live.ts'
import { TestSocket } from '../socket.ts'
import { waitFor } from '../wait-for.ts'

const CONTROL = 'k2.pty.v1'

/** Terminals over a WebSocket and over plain HTTP, on every engine and over every link. */
export function describeTerminals(live: Live): void {
  const box = useSandbox(live)
  const open = (query = '', protocol?: string) =>
    TestSocket.open(`${live.api.url}/sandboxes/${box.id}/pty${query}`, protocol)
  const remove = (processId: string) => live.api.json('DELETE', `/sandboxes/${box.id}/processes/${processId}`)

  test('a shell: what is typed is run, its size is right, and its end closes the WebSocket with its exit code', async () => {
    const terminal = await open('?cols=101&rows=31')
    // As xterm.js's addon sends keys: as text.
    await terminal.send('stty size; tty | cut -c1-9; echo $((6 * 7))\r')
    await terminal.shows(/31 101\r\n\/dev\/pts\/\r\n42\r\n/)
    await terminal.send(Buffer.from('exit 3\r'))
    expect(await terminal.ended()).toEqual({ code: 1000, reason: 'exit 3' })
    expect(terminal.texts).toEqual([])
  })

  test('with control: which process it is, a new size, and how it ended', async () => {
    const terminal = await open('?command=cat%3B%20stty%20size&tag=t', CONTROL)
    await waitFor('the start', () => terminal.texts.length > 0)
    expect(terminal.texts[0]).toMatchObject({ type: 'start', process: { tag: 't', pty: { cols: 80, rows: 24 } } })
    await terminal.send('{"type":"resize","cols":132,"rows":43}')
    await terminal.send('{"type":"explode"}')
    await waitFor('the refusal', () => terminal.texts.length > 1)
    expect(terminal.texts[1]).toMatchObject({ type: 'problem', problem: { code: 'INVALID_REQUEST' } })
    await terminal.send(Buffer.from('a line\r\u0004'))
    expect(await terminal.ended()).toEqual({ code: 1000, reason: 'exit 0' })
    expect(terminal.text).toBe('a line\r\na line\r\n43 132\r\n')
    expect(terminal.texts[2]).toMatchObject({ type: 'end', exit_code: 0, reason: 'exited', signal: null })
  })

  test('Ctrl-C interrupts the foreground, and job control is there', async () => {
    const terminal = await open('?command=exec%20sh')
    await terminal.send('sleep 39.25\r')
    await waitFor('the sleep', async () => (await live.api.output(box.id, 'pgrep -cfx "sleep 39.25" || :')) === '1')
    await terminal.send('\u0003')
    await terminal.send('echo status $?\r')
    await terminal.shows('status 130')
    await terminal.send('sleep 40.25 & fg\r')
    await waitFor('the job', async () => (await live.api.output(box.id, 'pgrep -cfx "sleep 40.25" || :')) === '1')
    await terminal.send('\u001a')
    await terminal.shows(/Stopped|Suspended/)
    // A shell asks once whether it shall leave a stopped job behind.
    await terminal.send('kill -KILL %1\rexit\rexit\r')
    await terminal.ended()
  })

  test('a client that vanished comes back to the same terminal, with what it showed', async () => {
    const first = await open('?command=exec%20sh', CONTROL)
    await waitFor('the start', () => first.texts.length > 0)
    const { process } = first.texts[0] as { process: ProcessInfo }
    await first.send(Buffer.from('x=kept; echo "$x"\r'))
    await first.shows('kept\r\n')
    first.vanish()
    const second = await open(`?process_id=${process.process_id}`)
    await second.shows('kept\r\n')
    const { output_bytes: offset } = await live.api.json<ProcessInfo>(
      'GET',
      `/sandboxes/${box.id}/processes/${process.process_id}`,
    )
    const third = await open(`?process_id=${process.process_id}&offset=${offset}`)
    await second.send('echo "still $x"\r')
    await Promise.all([second.shows('still kept'), third.shows('still kept')])
    expect(third.text).not.toContain('x=kept')
    await remove(process.process_id)
    expect((await second.ended()).reason).toBe('SIGKILL')
    expect((await third.ended()).code).toBe(1000)
  })

  test('the same over plain HTTP: start, follow, type, resize', async () => {
    const { process_id } = await live.api.startProcess(box.id, {
      command: 'read line; stty size',
      pty: { cols: 90, rows: 20 },
    })
    const resized: ProcessInfo = await live.api.json('POST', `/sandboxes/${box.id}/processes/${process_id}/resize`, {
      cols: 70,
      rows: 10,
    })
    expect(resized.pty).toEqual({ cols: 70, rows: 10 })
    await live.api.type(box.id, process_id, 'go\r')
    await live.api.ended(box.id, process_id)
    expect((await live.api.processOutput(box.id, process_id)).stdout).toBe('go\r\n10 70\r\n')
    const plain = await live.api.startProcess(box.id, { argv: ['true'] })
    const problem = await live.api.refused('POST', `/sandboxes/${box.id}/processes/${plain.process_id}/resize`, {
      cols: 70,
      rows: 10,
    })
    expect(problem).toMatchObject({ code: 'INVALID_REQUEST', status: 400 })
  })

  test('a client that does not read slows the program down, and misses nothing', async () => {
    const terminal = await open('?command=head%20-c%2030000000%20%2Fdev%2Fzero%20%7C%20tr%20%27%5C0%27%20x')
    terminal.pause()
    const { processes } = await live.api.processes(box.id)
    const flood = processes.find(({ state, command }) => state === 'running' && command.startsWith('head -c 30000000'))
    const path = `/sandboxes/${box.id}/processes/${flood?.process_id}`
    const printed = async () => (await live.api.json<ProcessInfo>('GET', path)).output_bytes
    await waitFor('it to print something', async () => (await printed()) > 0)
    let before = -1
    await waitFor('it to stand still', async () => {
      const now = await printed()
      const still = now === before
      before = now
      return still
    })
    expect(before).toBeLessThan(20_000_000)
    terminal.resume()
    expect((await terminal.ended()).code).toBe(1000)
    expect(terminal.bytes.length).toBe(30_000_000)
  })

  test('what is no terminal, or no WebSocket, is refused with what to do', async () => {
    const { process_id } = await live.api.startProcess(box.id, { argv: ['sleep', '1'] })
    await expect(open(`?process_id=${process_id}`)).rejects.toThrow(/400.*has no terminal/)
    await expect(open('?process_id=unknown')).rejects.toThrow(/404.*PROCESS_NOT_FOUND/)
    await expect(open('?user=nobody-here')).rejects.toThrow(/400.*USER_NOT_FOUND/)
    await expect(open('?cols=0')).rejects.toThrow(/422/)
    const plain = await live.api.refused('GET', `/sandboxes/${box.id}/pty`)
    expect(plain).toMatchObject({ status: 426, code: 'UPGRADE_REQUIRED' })
  })
}
