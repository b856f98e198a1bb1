import { expect, test } from 'vitest'
import type { FileMatches, GrepResponse } from '../../../schemas/file.ts'
import type { FileInfo } from '../../../schemas/filesystem.ts'
import type { WatchEvent } from '../../../schemas/watch.ts'
import { type Live, useSandbox } from '../live.ts'
import { readEvents } from '../read-events.ts'
import { waitFor } from '../wait-for.ts'

/** Folders, trees, searches and watches, on every engine and over every link. */
export function describeFileTree(live: Live): void {
  const box = useSandbox(live)
  const at = (rest: string) => `/sandboxes/${box.id}/files${rest}`
  const post = <T = FileInfo>(what: string, body: object) => live.api.json<T>('POST', at(`/${what}`), body)
  const refused = (what: string, body: object) => live.api.refused('POST', at(`/${what}`), body)
  const sh = (command: string) => live.api.output(box.id, command)
  const stat = (path: string, more = '') =>
    live.api.json<FileInfo>('GET', at(`/stat?path=${encodeURIComponent(path)}${more}`))
  const glob = (pattern: string, more = '') =>
    live.api.json<FileMatches>('GET', at(`/glob?pattern=${encodeURIComponent(pattern)}${more}`))

  test('stat: kind, size, mode and version; of a link what it points to, or itself', async () => {
    await sh('mkdir -p st; printf 12345 > st/file; chmod 604 st/file; ln -sf file st/link')
    expect(await stat('st/file')).toMatchObject({
      type: 'file',
      size: 5,
      mode: 0o604,
      is_dir: false,
      etag: expect.stringMatching(/^".+"$/),
    })
    expect(await stat('st/link')).toMatchObject({ type: 'file', size: 5 })
    expect(await stat('st/link', '&follow=false')).toMatchObject({ type: 'symlink', target: 'file' })
    const before = (await stat('st/file')).etag
    await sh('printf 67890 > st/file')
    expect((await stat('st/file')).etag).not.toBe(before)
    expect(await live.api.refused('GET', at('/stat?path=missing'))).toMatchObject({
      status: 404,
      code: 'FILE_NOT_FOUND',
    })
  })

  test('a folder with those above it; without `parents` as mkdir has it', async () => {
    expect(await post('mkdir', { path: 'mk/a/b', mode: '700' })).toMatchObject({ is_dir: true, mode: 0o700 })
    await post('mkdir', { path: 'mk/a/b' })
    expect(await refused('mkdir', { path: 'mk/a', parents: false })).toMatchObject({ status: 409, code: 'FILE_EXISTS' })
    expect(await refused('mkdir', { path: 'mk/x/y', parents: false })).toMatchObject({ code: 'FILE_NOT_FOUND' })
  })

  test('move and copy: a file, a tree with its links, and what is in the way', async () => {
    await sh(
      'rm -rf mv; mkdir -p mv/tree/sub; echo one > mv/one; echo two > mv/tree/sub/two; ln -s sub/two mv/tree/link; chmod 750 mv/tree/sub/two',
    )
    await post('copy', { from: 'mv/tree', to: 'mv/copy' })
    expect(await sh('cat mv/copy/link; readlink mv/copy/link; stat -c %a mv/copy/sub/two')).toBe('two\nsub/two\n750')
    await post('move', { from: 'mv/copy', to: 'mv/moved' })
    expect(await live.api.names(box.id, 'mv')).toEqual(['moved', 'one', 'tree'])
    await post('copy', { from: 'mv/one', to: 'mv/two' })
    expect(await refused('move', { from: 'mv/one', to: 'mv/two' })).toMatchObject({ status: 409, code: 'FILE_EXISTS' })
    await post('move', { from: 'mv/one', to: 'mv/two', overwrite: true })
    expect(await sh('cat mv/two')).toBe('one')
    expect((await refused('copy', { from: 'mv/tree', to: 'mv/tree/inside' })).status).toBe(400)
  })

  test('mode and time, of one or of all below', async () => {
    await sh('rm -rf at; mkdir -p at/sub; touch at/sub/x; ln -s /etc/passwd at/link')
    expect(await post('attributes', { path: 'at/sub/x', mode: '640', mtime: 1_000_000_000 })).toMatchObject({
      mode: 0o640,
      mtime: '2001-09-09T01:46:40.000Z',
    })
    await post('attributes', { path: 'at', mode: '700', recursive: true })
    expect(await sh('stat -c %a at at/sub at/sub/x')).toBe('700\n700\n700')
    expect((await stat('/etc/passwd')).mode).toBe(0o644)
  })

  test('glob: by pattern, in order, within a limit', async () => {
    await sh('rm -rf gl; mkdir -p gl/src/deep gl/.git; cd gl; touch a.ts src/b.ts src/deep/c.ts src/d.js .git/e.ts')
    const names = async (pattern: string, more = '') =>
      (await glob(pattern, `&path=gl${more}`)).files.map(({ path }) => path.replace(/^.*\/gl\//, ''))
    expect(await names('**/*.ts')).toEqual(['a.ts', 'src/b.ts', 'src/deep/c.ts'])
    expect(await names('src/*.{ts,js}')).toEqual(['src/b.ts', 'src/d.js'])
    expect(await names('**/*.ts', '&hidden=true')).toContain('.git/e.ts')
    expect(await glob('**', '&path=gl&limit=2')).toMatchObject({ truncated: true, files: { length: 2 } })
  })

  test('grep: lines by a regular expression or a text, with what is around them', async () => {
    await sh(
      "rm -rf gr; mkdir -p gr/sub; cd gr; printf 'zero\\none TODO x\\ntwo\\n' > a.txt; printf 'a todo\\n' > sub/b.md; printf 'TODO\\0' > binary; printf '1.5\\n155\\n' > n.txt",
    )
    const grep = (more: object) => post<GrepResponse>('grep', { path: 'gr', ...more })
    const found = await grep({ pattern: 'TO(DO)', ignore_case: true, context: 1 })
    expect(found.matches).toMatchObject([
      {
        path: expect.stringMatching(/gr\/a\.txt$/),
        line: 2,
        column: 5,
        text: 'one TODO x',
        before: ['zero'],
        after: ['two'],
      },
      { path: expect.stringMatching(/gr\/sub\/b\.md$/), line: 1, column: 3, text: 'a todo' },
    ])
    expect(found).toMatchObject({ truncated: false, files_searched: 3, files_skipped: 1 })
    expect((await grep({ pattern: '1.5', literal: true })).matches).toHaveLength(1)
    expect((await grep({ pattern: 'todo', ignore_case: true, exclude: ['sub'] })).matches).toHaveLength(1)
    expect((await grep({ pattern: 'todo', ignore_case: true, include: ['*.md'] })).matches).toHaveLength(1)
    expect(await grep({ pattern: '.', limit: 2 })).toMatchObject({ truncated: true, matches: { length: 2 } })
    expect((await refused('grep', { path: 'gr', pattern: '(' })).status).toBe(400)
  })

  const watch = async (path: string, accept: 'text/event-stream' | 'application/x-ndjson' = 'application/x-ndjson') => {
    const leave = new AbortController()
    const query = `path=${encodeURIComponent(path)}&recursive=true`
    const response = await fetch(`${live.api.url}/sandboxes/${box.id}/watch?${query}`, {
      headers: { accept },
      signal: leave.signal,
    })
    expect(response.status).toBe(200)
    const events: WatchEvent[] = []
    const reading = (async () => {
      for await (const event of readEvents<WatchEvent>(response, accept)) events.push(event)
    })()
    reading.catch(() => {})
    await waitFor('the watch to be ready', () => events.length > 0)
    expect(events[0]).toMatchObject({ type: 'ready' })
    return { events, reading, [Symbol.dispose]: () => leave.abort() }
  }
  const of = (events: WatchEvent[], type: string) =>
    events
      .filter((event) => event.type === type)
      .map((event) => ('path' in event ? event.path.replace(/^.*\/wa\//, '') : ''))

  test.each(['text/event-stream', 'application/x-ndjson'] as const)(
    'what happens to files is told as %s',
    async (accept) => {
      await sh('rm -rf wa; mkdir wa; touch wa/old')
      using watched = await watch('wa', accept)
      await sh('cd wa; echo x > new; chmod 600 old; mv old renamed; rm new')
      await waitFor('all of it', () => of(watched.events, 'remove').includes('new'))
      expect(of(watched.events, 'create')).toEqual(['new'])
      expect(of(watched.events, 'write')).toContain('new')
      expect(of(watched.events, 'attributes')).toContain('old')
      const renamed = watched.events.find(({ type }) => type === 'rename')
      expect(renamed).toMatchObject({
        path: expect.stringMatching(/renamed$/),
        from: expect.stringMatching(/old$/),
        file_type: 'file',
      })
    },
  )

  test('nothing that is made in new folders is missed, in a burst of a thousand', async () => {
    await sh('rm -rf wa; mkdir wa')
    using watched = await watch('wa')
    await sh(
      'cd wa; for i in $(seq 100); do mkdir -p $i/a/b && for j in 0 1 2 3 4 5 6 7 8 9; do : > $i/a/b/$j; done; done',
    )
    const files = () => of(watched.events, 'create').filter((path) => /\/b\/\d$/.test(path))
    await waitFor('all files', () => files().length >= 1000)
    expect(new Set(files()).size).toBe(1000)
    expect(files().length).toBe(1000)
    expect(of(watched.events, 'overflow')).toEqual([])
  })

  test('it ends, with a reason, when the folder goes', async () => {
    await sh('rm -rf wa; mkdir wa')
    using watched = await watch('wa')
    await sh('rm -rf wa')
    await watched.reading
    expect(watched.events.at(-1)).toEqual({ type: 'end', reason: 'removed' })
    const missing = await live.api.refused('GET', `/sandboxes/${box.id}/watch?path=missing`)
    expect(missing).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' })
  })

  test('names that are not UTF-8 are told with their bytes', async () => {
    await sh('rm -rf wa; mkdir wa')
    using watched = await watch('wa')
    await sh("touch wa/$(printf 'x\\377')")
    const created = await waitFor('the file', () => watched.events.find(({ type }) => type === 'create'))
    const { path_base64 } = created as { path_base64: string }
    expect(Buffer.from(path_base64, 'base64').subarray(-2)).toEqual(Buffer.from([0x78, 0xff]))
    const { files } = await glob('wa/x*')
    expect(files[0]?.name_base64).toBe(Buffer.from([0x78, 0xff]).toString('base64'))
  })
}
