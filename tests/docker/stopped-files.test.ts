import { Readable } from 'node:stream'
import { beforeAll, describe, expect, test } from 'vitest'
import { readTar } from '../../src/lib/tar.ts'
import { useSandbox, useServer } from '../support/live.ts'

describe('files of a stopped sandbox', () => {
  const live = useServer()
  const box = useSandbox(live)
  const call = (request: object) =>
    live.api.json<{ content: string; files: object[] }>('POST', `/sandboxes/${box.id}/filesystem`, request)
  const refused = (request: object) => live.api.refused('POST', `/sandboxes/${box.id}/filesystem`, request)

  beforeAll(async () => {
    await live.api.output(
      box.id,
      'mkdir -p dir/sub "with space"; echo text > dir/file; printf "a\\377" > dir/bytes; ln -s file dir/link; ln -s /nowhere dir/broken; ln -s dir to-dir;' +
        ' ln -s /dev/shm to-shm; mkfifo dir/fifo; printf "#!/bin/sh\\n" > run.sh; chmod 751 run.sh; echo spaced > "with space/new\nline"; ln -s ../../../../etc/hostname dir/out; ln -s loop dir/loop; touch dir/-rf',
    )
    await live.api.action(box.id, 'stop')
  })

  test('are listed as those of a running one are', async () => {
    const { files } = await call({ action: 'list', path: 'dir' })
    expect(files).toMatchObject([
      { name: '-rf', type: 'file', size: 0 },
      { name: 'broken', type: 'symlink', target: '/nowhere' },
      { name: 'bytes', type: 'file', size: 2, mode: 0o644, uid: 1000, gid: 1000, path: '/home/user/dir/bytes' },
      { name: 'fifo', type: 'fifo', size: null },
      { name: 'file', type: 'file', size: 5 },
      { name: 'link', type: 'symlink', target: 'file' },
      { name: 'loop', type: 'symlink', target: 'loop' },
      { name: 'out', type: 'symlink' },
      { name: 'sub', type: 'directory', is_dir: true },
    ])
    expect((await call({ action: 'list' })).files).toContainEqual(
      expect.objectContaining({ name: 'dir', is_dir: true }),
    )
    expect((await call({ action: 'list', path: 'to-dir' })).files).toHaveLength(9)
    expect((await call({ action: 'list', path: '/' })).files).toContainEqual(
      expect.objectContaining({ name: 'etc', is_dir: true, path: '/etc' }),
    )
  })

  test('are read, through links too', async () => {
    expect((await call({ action: 'read', path: 'dir/file' })).content).toBe('text\n')
    expect((await call({ action: 'read', path: 'dir/link' })).content).toBe('text\n')
    expect((await call({ action: 'read', path: 'to-dir/file' })).content).toBe('text\n')
    expect((await call({ action: 'read', path: 'dir/../dir/file' })).content).toBe('text\n')
    expect((await call({ action: 'read', path: 'with space/new\nline' })).content).toBe('spaced\n')
    expect((await call({ action: 'read', path: 'dir/bytes', encoding: 'base64' })).content).toBe('Yf8=')
  })

  test('an absolute link leads inside, not to the host', async () => {
    expect((await call({ action: 'read', path: '/etc/passwd' })).content).toContain('user:x:1000')
    expect((await refused({ action: 'read', path: 'dir/broken' })).status).toBe(404)
  })

  test.each([
    [{ action: 'read', path: 'nope' }, 404, 'FILE_NOT_FOUND'],
    [{ action: 'list', path: 'nope' }, 404, 'FILE_NOT_FOUND'],
    [{ action: 'read', path: 'dir' }, 400, 'PATH_IS_DIRECTORY'],
    [{ action: 'list', path: 'dir/file' }, 400, 'PATH_NOT_DIRECTORY'],
    [{ action: 'read', path: 'dir/fifo' }, 400, 'PATH_NOT_REGULAR_FILE'],
    [{ action: 'read', path: 'dir/bytes' }, 400, 'FILE_NOT_TEXT'],
    [{ action: 'read', path: 'dir/loop' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: 'dir', content: '' }, 400, 'PATH_IS_DIRECTORY'],
    [{ action: 'write', path: '/dev/shm/lost', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: '/dev/lost', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: '/proc/lost', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: '/sys/lost/deep', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: '/.k2/lost', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: 'to-shm/lost', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: '/etc/hosts', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: '/etc/resolv.conf', content: '' }, 400, 'PATH_REFUSED'],
    [{ action: 'write', path: 'dir/file/below', content: '' }, 400, 'PATH_NOT_DIRECTORY'],
    [{ action: 'delete', path: 'dir/file' }, 409, 'SANDBOX_STATE_CONFLICT'],
  ])('%j is %d %s', async (request, status, code) => {
    expect(await refused(request)).toMatchObject({ status, code })
  })

  test('are written: whole, with folders above them, owned by the user, and all is there after the start', async () => {
    await call({ action: 'write', path: 'later/deep/file', content: 'from outside' })
    await call({ action: 'write', path: 'dir/file', content: 'replaced' })
    await call({ action: 'write', path: 'run.sh', content: '#!/bin/sh\necho ran\n' })
    await call({ action: 'write', path: 'with space/-x', content: '' })
    await call({ action: 'write', path: 'dir/link', content: 'through the link' })
    await call({ action: 'write', path: '/etc/motd', content: "root's before, root's after" })
    expect((await call({ action: 'read', path: 'later/deep/file' })).content).toBe('from outside')
    expect((await call({ action: 'read', path: 'dir/file' })).content).toBe('through the link')
    await live.api.action(box.id, 'start')
    expect(
      await live.api.output(
        box.id,
        'stat -c "%U:%G %a" later later/deep later/deep/file dir/file /etc/motd; cat later/deep/file',
      ),
    ).toBe('user:user 755\nuser:user 755\nuser:user 644\nuser:user 644\nroot:root 644\nfrom outside')
    expect(
      await live.api.output(
        box.id,
        'readlink dir/link; cat dir/link; echo; ./run.sh; ls "with space" | head -1; rm -r later',
      ),
    ).toBe('file\nthrough the link\nran\n-x')
    await live.api.action(box.id, 'stop')
  })

  test('a large file goes both ways, one over the limit does not', async () => {
    const content = Buffer.alloc(20 * 1024 * 1024, 'abc').toString('base64')
    await call({ action: 'write', path: 'large', content, encoding: 'base64' })
    expect((await call({ action: 'read', path: 'large', encoding: 'base64' })).content === content).toBe(true)
  })

  test('as bytes and as archives they can be read, and files written; what needs a running one says so', async () => {
    const url = (route: string, path: string, more = '') =>
      `${live.api.url}/sandboxes/${box.id}/${route}?path=${encodeURIComponent(path)}${more}`
    const put = await fetch(url('files', 'raw/new.bin'), { method: 'PUT', body: new Uint8Array([1, 255, 0]) })
    expect(await put.json()).toMatchObject({ size: 3, path: '/home/user/raw/new.bin' })
    const etag = put.headers.get('etag') ?? ''
    const read = await fetch(url('files', 'raw/new.bin'))
    expect([...new Uint8Array(await read.arrayBuffer())]).toEqual([1, 255, 0])
    expect(read.headers.get('etag')).toBe(etag)
    const head = await fetch(url('files', 'dir'), { method: 'HEAD' })
    expect(head.headers.get('k2-file-type')).toBe('directory')
    const over = { method: 'PUT', body: 'x', headers: { 'if-none-match': '*' } }
    expect((await fetch(url('files', 'raw/new.bin'), over)).status).toBe(412)
    const names: string[] = []
    const archive = await fetch(url('archive', 'raw', '&format=tar'))
    for await (const { name } of readTar(Readable.from(archive.body ?? []))) names.push(name)
    expect(names).toEqual(['raw', 'raw/new.bin'])
    const unpacked = await fetch(url('archive', 'raw'), { method: 'PUT', body: 'x' })
    expect(unpacked.status).toBe(409)
    const problem = await live.api.refused('POST', `/sandboxes/${box.id}/files/mkdir`, { path: 'new' })
    expect(problem).toMatchObject({ code: 'SANDBOX_STATE_CONFLICT', detail: expect.stringContaining('start it') })
    expect((await live.api.refused('GET', `/sandboxes/${box.id}/ports`)).code).toBe('SANDBOX_STATE_CONFLICT')
  })

  test('reading and writing does not wake it', async () => {
    expect(await live.api.get(box.id)).toMatchObject({ status: 'stopped' })
  })
})
