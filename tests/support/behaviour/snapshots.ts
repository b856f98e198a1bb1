import { expect, test } from 'vitest'
import type { EventPage } from '../../../schemas/event.ts'
import type { FileChanges, SandboxForks, SnapshotInfo, SnapshotList } from '../../../schemas/snapshot.ts'
import type { Static } from '../../../schemas/typebox.ts'
import { unique } from '../api.ts'
import type { Live } from '../live.ts'
import { waitFor } from '../wait-for.ts'

/** Snapshots, forks and what changed, on every engine. */
export function describeSnapshots(live: Live): void {
  const { snapshot, fork, changes, list, remove } = callsOf(live)

  test('a snapshot has what was acknowledged before it, and nothing of later; it outlives its sandbox', async () => {
    const name = unique('kept')
    const source = await live.api.create({ envs: { KEY: 'origin', BOTH: '1' }, resources: { memory_mb: 512 } })
    const id = source.sandbox_id
    await live.api.write(id, 'file', 'before')
    await live.api.output(id, 'mkdir -p deep && echo x > deep/er && ln -s deep link && chmod 640 file')
    const taken = await snapshot(id, { name, metadata: { team: 'x' } })
    expect(taken).toEqual({
      snapshot_id: expect.stringMatching(/^[a-z0-9]{20}$/),
      name,
      status: 'ready',
      metadata: { team: 'x' },
      sandbox_id: id,
      template: source.template,
      cwd: source.cwd,
      user: source.user,
      resources: source.resources,
      network: source.network,
      size_bytes: expect.any(Number),
      tracks_changes: false,
      created_at: expect.any(String),
      kept: ['files'],
      not_kept: ['processes', 'memory', 'mounts'],
    })
    await live.api.write(id, 'file', 'after')
    expect(await live.api.json('GET', `/snapshots/${taken.snapshot_id}`)).toEqual(taken)
    expect(await live.api.json('GET', `/snapshots/${name}`)).toEqual(taken)
    expect(await live.api.refused('POST', `/sandboxes/${id}/snapshots`, { name })).toMatchObject({ code: 'NAME_TAKEN' })
    await live.api.delete(id)

    const made = await live.api.create({ snapshot: name, envs: { BOTH: '2' } })
    expect(made).toMatchObject({
      origin: { sandbox_id: id, snapshot_id: taken.snapshot_id },
      resources: source.resources,
      template: source.template,
      user: source.user,
    })
    const seen = await live.api.output(
      made.sandbox_id,
      'cat file deep/er; stat -c %a file; readlink link; echo $KEY $BOTH',
    )
    expect(seen).toBe('beforex\n640\ndeep\norigin 2')
    expect(await remove(name)).toEqual({ snapshot_id: taken.snapshot_id, status: 'deleted' })
    expect(await live.api.refused('GET', `/snapshots/${name}`)).toMatchObject({
      status: 404,
      code: 'SNAPSHOT_NOT_FOUND',
    })
    expect(await live.api.refused('POST', '/sandboxes', { snapshot: name })).toMatchObject({
      code: 'SNAPSHOT_NOT_FOUND',
    })
    const told = await live.api.json<EventPage>('GET', '/events?limit=1000&type=snapshot.created&type=snapshot.deleted')
    const about = { snapshot_id: taken.snapshot_id, name, from: id }
    expect(told.events.slice(-2)).toMatchObject([
      { type: 'snapshot.created', data: about },
      { type: 'snapshot.deleted', data: about },
    ])
    // Made of what is deleted: it lives on, also over a restart of it.
    await live.api.action(made.sandbox_id, 'restart')
    expect(await live.api.read(made.sandbox_id, 'file')).toBe('before')
    await live.api.delete(made.sandbox_id)
  })

  test('a running, a paused and a stopped sandbox stay what they are; processes are not in it', async () => {
    const { sandbox_id: id } = await live.api.create()
    const { process_id } = await live.api.startProcess(id, { command: 'sleep 77.5' })
    await live.api.write(id, 'file', 'x')
    const taken = [await snapshot(id)]
    expect(await live.api.get(id)).toMatchObject({ status: 'running' })
    expect(await live.api.json('GET', `/sandboxes/${id}/processes/${process_id}`)).toMatchObject({ state: 'running' })
    await live.api.action(id, 'pause')
    taken.push(await snapshot(id))
    expect(await live.api.get(id)).toMatchObject({ status: 'paused' })
    await live.api.action(id, 'resume')
    expect(await live.api.json('GET', `/sandboxes/${id}/processes/${process_id}`)).toMatchObject({ state: 'running' })
    await live.api.action(id, 'stop')
    taken.push(await snapshot(id))
    expect(await live.api.get(id)).toMatchObject({ status: 'stopped' })
    for (const { snapshot_id } of taken) {
      const copy = await live.api.create({ snapshot: snapshot_id })
      expect((await live.api.processes(copy.sandbox_id)).processes).toEqual([])
      expect(await live.api.output(copy.sandbox_id, 'cat file')).toBe('x')
      await live.api.delete(copy.sandbox_id)
      await remove(snapshot_id)
    }
    await live.api.delete(id)
  })

  test('what a command writes while the snapshot is made goes on afterwards', async () => {
    const { sandbox_id: id } = await live.api.create()
    const writing = live.api.command(id, 'for i in $(seq 1 200); do echo $i >> log; sleep 0.005; done; wc -l < log')
    await waitFor('the first lines', async () => (await live.api.names(id)).includes('log'))
    const { snapshot_id } = await snapshot(id)
    expect(await writing).toMatchObject({ exit_code: 0, stdout: '200\n' })
    const copy = await live.api.create({ snapshot: snapshot_id })
    const lines = ((await live.api.read(copy.sandbox_id, 'log')) ?? '').trimEnd().split('\n')
    expect(lines).toEqual(lines.map((_, index) => `${index + 1}`))
    expect(lines.length).toBeLessThan(200)
    for (const one of [id, copy.sandbox_id]) await live.api.delete(one)
    await remove(snapshot_id)
  })

  test('forks are copies with the settings of their sandbox, which runs on; they live apart', async () => {
    const source = await live.api.create({
      name: unique('source'),
      metadata: { a: '1' },
      timeout: 500,
      envs: { K: 'v' },
      egress: { allow: [{ host: 'example.com' }] },
    })
    const id = source.sandbox_id
    await live.api.write(id, 'file', 'shared')
    const [one, two] = await fork(id, { count: 2, envs: { MORE: 'm' } })
    const inherited = { status: 'running', name: null, metadata: { a: '1' }, timeout: 500, on_timeout: 'delete' }
    expect(one).toMatchObject({ ...inherited, origin: { sandbox_id: id, snapshot_id: null } })
    expect(two).toMatchObject(inherited)
    const [a = '', b = ''] = [one?.sandbox_id, two?.sandbox_id]
    expect(await live.api.json('GET', `/sandboxes/${a}/egress`)).toMatchObject({ allow: [{ host: 'example.com' }] })
    await live.api.write(a, 'file', 'a alone')
    expect(await live.api.output(b, 'cat file; echo " $K $MORE"')).toBe('shared v m')
    expect(await live.api.read(id, 'file')).toBe('shared')
    // A fork of a fork, of its own name.
    const [third] = await fork(a, { name: unique('third'), timeout: 60 })
    expect(third).toMatchObject({ timeout: 60, name: expect.stringContaining('third') })
    expect(await live.api.read(third?.sandbox_id ?? '', 'file')).toBe('a alone')
    expect((await list()).snapshots).toEqual([])
    for (const one of [id, a, b, third?.sandbox_id ?? '']) await live.api.delete(one)
  })

  test('a client that leaves while a snapshot or a fork is made leaves nothing behind', async () => {
    const { sandbox_id: id } = await live.api.create()
    for (const path of ['snapshots', 'fork']) {
      for (const afterMs of [1, 15, 60]) {
        const leaving = { signal: AbortSignal.timeout(afterMs) }
        await live.api.send('POST', `/sandboxes/${id}/${path}`, {}, leaving).catch(() => null)
      }
    }
    // One of them may have been quick enough.
    await waitFor('all to be over', async () => {
      const { sandboxes } = await live.api.list()
      return sandboxes.every(({ status }) => status === 'running')
    })
    expect(await live.api.output(id, 'echo works')).toBe('works')
    for (const { snapshot_id } of (await list()).snapshots) await remove(snapshot_id)
    for (const { sandbox_id } of (await live.api.list()).sandboxes) await live.api.delete(sandbox_id)
  })

  test('what changed is told since the image and since a snapshot, running and stopped', async () => {
    const { sandbox_id: id, cwd } = await live.api.create()
    const of = async (query: string) =>
      (await changes(id, query)).changes
        .filter(({ path, type }) => path.startsWith(`${cwd}/w`) && type !== 'directory')
        .map(({ path, kind }) => `${kind} ${path.slice(cwd.length + 1)}`)
    await live.api.output(
      id,
      'mkdir w && cd w && echo 1 > same && echo 1 > changed && echo 1 > touched && echo 1 > gone && echo 1 > "sp ace"',
    )
    const all = ['changed', 'gone', 'same', 'sp ace', 'touched'].map((name) => `added w/${name}`)
    expect(await of('')).toEqual(all)
    const { snapshot_id, tracks_changes } = await snapshot(id, { track_changes: true })
    expect(tracks_changes).toBe(true)
    expect(await of(`?since=${snapshot_id}`)).toEqual([])
    // Of the same size, and one with its time set back.
    await live.api.output(
      id,
      'cd w && echo 2 > changed && rm gone && echo 2 > touched && touch -d 2001-01-01 touched && echo 1 > new && mkdir -p d/e',
    )
    const since = ['modified w/changed', 'deleted w/gone', 'added w/new', 'modified w/touched']
    expect(await of(`?since=${snapshot_id}`)).toEqual(since)
    expect(await of('')).toEqual([...all, 'added w/new'].filter((one) => !one.includes('gone')).sort())
    const { changes: described } = await changes(id, `?since=${snapshot_id}`)
    expect(described).toContainEqual({ path: `${cwd}/w/new`, kind: 'added', type: 'file', size: 2 })
    expect(described).toContainEqual({ path: `${cwd}/w/d/e`, kind: 'added', type: 'directory', size: null })
    expect(described).toContainEqual({ path: `${cwd}/w/gone`, kind: 'deleted', type: null, size: null })

    const pages: string[] = []
    for (let query = '?limit=2'; query !== ''; ) {
      const page = await changes(id, query)
      expect(page.changes.length).toBeLessThanOrEqual(2)
      pages.push(...page.changes.map(({ path }) => path))
      query = page.next_cursor === null ? '' : `?limit=2&cursor=${page.next_cursor}`
    }
    expect(pages).toEqual((await changes(id, '?limit=1000')).changes.map(({ path }) => path))

    await live.api.action(id, 'stop')
    const stopped = await changes(id, `?since=${snapshot_id}&limit=1000`)
    const told = stopped.changes.map(({ path, kind }) => `${kind} ${path.slice(cwd.length + 1)}`)
    for (const one of ['modified w/changed', 'deleted w/gone', 'added w/new']) expect(told).toContain(one)
    expect(await live.api.get(id)).toMatchObject({ status: 'stopped' })
    await remove(snapshot_id)
    await live.api.delete(id)
  })
}

/** What no engine has a part in. */
export function describeSnapshotRequests(live: Live): void {
  const { snapshot, list, remove } = callsOf(live)

  test('a fork that can not be made whole is not made at all', async () => {
    const { sandbox_id: id } = await live.api.create()
    const before = (await live.api.list()).sandboxes.length
    const refused = (body: object) => live.api.refused('POST', `/sandboxes/${id}/fork`, body)
    expect(await refused({ count: 2, name: 'x' })).toMatchObject({ code: 'INVALID_REQUEST' })
    expect(await refused({ resources: { memory_mb: 16_000_000 } })).toMatchObject({ status: 422 })
    expect(await refused({ count: 0 })).toMatchObject({ status: 422 })
    expect(await refused({ template: 'local' })).toMatchObject({ status: 422 })
    expect((await live.api.list()).sandboxes).toHaveLength(before)
    await live.api.delete(id)
  })

  test('snapshots are listed by what they are, in pages', async () => {
    const [first, second] = [await live.api.create(), await live.api.create()]
    const taken: string[] = []
    for (const [sandbox, metadata] of [
      [first, { n: '1' }],
      [first, { n: '2' }],
      [second, { n: '2' }],
    ] as const)
      taken.push((await snapshot(sandbox.sandbox_id, { metadata })).snapshot_id)
    const ids = async (query: string) => (await list(query)).snapshots.map(({ snapshot_id }) => snapshot_id)
    expect(await ids('')).toEqual(taken)
    expect(await ids(`?sandbox_id=${first.sandbox_id}`)).toEqual(taken.slice(0, 2))
    expect(await ids('?metadata=n=2')).toEqual(taken.slice(1))
    expect(await ids('?status=lost')).toEqual([])
    expect(await ids('?name=nobody')).toEqual([])
    const page = await list('?limit=2')
    expect(page.snapshots).toHaveLength(2)
    expect(await ids(`?limit=2&cursor=${page.next_cursor}`)).toEqual(taken.slice(2))
    for (const query of ['?name=', '?status=x', '?limit=0', '?cursor=', '?x=1', '?sandbox_id=x'])
      expect(await live.api.refused('GET', `/snapshots${query}`)).toMatchObject({ status: 422 })
    for (const id of taken) await remove(id)
    for (const { sandbox_id } of [first, second]) await live.api.delete(sandbox_id)
  })

  test('what is no snapshot, or not possible, is said', async () => {
    const { sandbox_id: id } = await live.api.create()
    const no = await live.api.refused('POST', '/sandboxes', { snapshot: 'nobody' })
    expect(no).toMatchObject({ status: 404, code: 'SNAPSHOT_NOT_FOUND' })
    for (const key of ['nobody', 'NO', '..%2f..', '%00'])
      expect((await live.api.refused('GET', `/snapshots/${key}`)).status).toBe(404)
    const { snapshot_id } = await snapshot(id)
    const both = await live.api.refused('POST', '/sandboxes', { snapshot: snapshot_id, template: 'x' })
    expect(both).toMatchObject({ code: 'INVALID_REQUEST' })
    for (const name of ['Not A Name', '', 'x'.repeat(64), '../x'])
      expect(await live.api.refused('POST', `/sandboxes/${id}/snapshots`, { name })).toMatchObject({ status: 422 })
    const gone = 'a'.repeat(20)
    for (const [method, path] of [
      ['POST', 'snapshots'],
      ['POST', 'fork'],
      ['GET', 'changes'],
    ] as const)
      expect(await live.api.refused(method, `/sandboxes/${gone}/${path}`)).toMatchObject({ code: 'SANDBOX_NOT_FOUND' })
    const other = await live.api.create()
    const untracked = await live.api.refused('GET', `/sandboxes/${id}/changes?since=${snapshot_id}`)
    expect(untracked).toMatchObject({ code: 'INVALID_REQUEST', detail: expect.stringContaining('track_changes') })
    for (const query of [`since=${snapshot_id}`, 'cursor=nonsense'])
      expect(await live.api.refused('GET', `/sandboxes/${other.sandbox_id}/changes?${query}`)).toMatchObject({
        code: 'INVALID_REQUEST',
      })
    await remove(snapshot_id)
    for (const one of [id, other.sandbox_id]) await live.api.delete(one)
  })
}

function callsOf(live: Live) {
  return {
    snapshot: (id: string, body?: object) => live.api.json<SnapshotInfo>('POST', `/sandboxes/${id}/snapshots`, body),
    fork: async (id: string, body?: object) =>
      (await live.api.json<Static<typeof SandboxForks>>('POST', `/sandboxes/${id}/fork`, body)).sandboxes,
    changes: (id: string, query = '') =>
      live.api.json<Static<typeof FileChanges>>('GET', `/sandboxes/${id}/changes${query}`),
    list: (query = '') => live.api.json<Static<typeof SnapshotList>>('GET', `/snapshots${query}`),
    remove: (key: string) => live.api.json('DELETE', `/snapshots/${key}`),
  }
}
