import { describe, expect, test } from 'vitest'
import type { FileSystemAction } from '../../../schemas/filesystem.ts'
import { type Live, useSandbox } from '../live.ts'

/** What the filesystem route does in a running sandbox, on every engine and over every link. */
export function describeFiles(live: Live): void {
  const box = useSandbox(live)
  const call = (request: FileSystemAction) => live.api.files(box.id, request)
  const refused = (request: object) => live.api.refused('POST', `/sandboxes/${box.id}/filesystem`, request)
  const shell = (command: string, more: object = {}) => live.api.output(box.id, command, more)

  test('what is written is read, listed and deleted', async () => {
    expect(await call({ action: 'write', path: 'notes.txt', content: 'grüße\n' })).toEqual({
      files: null,
      content: null,
      message: 'File written successfully',
      encoding: null,
    })
    expect(await call({ action: 'read', path: 'notes.txt' })).toMatchObject({
      content: 'grüße\n',
      encoding: 'utf-8',
      files: null,
      message: null,
    })
    expect((await call({ action: 'list' })).files).toContainEqual(
      expect.objectContaining({
        name: 'notes.txt',
        is_dir: false,
        size: 8,
        type: 'file',
        mode: 0o644,
        target: null,
        name_base64: null,
        path: expect.stringMatching(/\/notes\.txt$/),
      }),
    )
    expect(await call({ action: 'delete', path: 'notes.txt' })).toMatchObject({ message: 'File deleted successfully' })
    expect(await refused({ action: 'read', path: 'notes.txt' })).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' })
  })

  test('folders above a file are made; a folder is deleted with all in it', async () => {
    await call({ action: 'write', path: 'a/b/c/deep.txt', content: 'x' })
    expect(await live.api.names(box.id, 'a/b')).toEqual(['c'])
    await call({ action: 'delete', path: 'a' })
    expect(await refused({ action: 'list', path: 'a' })).toMatchObject({ status: 404 })
  })

  test('the empty file is a file', async () => {
    await call({ action: 'write', path: 'empty', content: '' })
    expect((await call({ action: 'read', path: 'empty' })).content).toBe('')
    expect(await shell('stat -c %s empty')).toBe('0')
  })

  test('any bytes go in and out as base64; as text they are refused', async () => {
    const bytes = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256))
    await call({ action: 'write', path: 'bytes', content: bytes.toString('base64'), encoding: 'base64' })
    expect((await call({ action: 'read', path: 'bytes', encoding: 'base64' })).content).toBe(bytes.toString('base64'))
    expect(await refused({ action: 'read', path: 'bytes' })).toMatchObject({
      status: 400,
      code: 'FILE_NOT_TEXT',
      detail: expect.stringContaining('base64'),
    })
  })

  test.each(['not base64!', 'YQ', 'YQ==\n', 'YR=='])(
    'content %j that is not base64 is refused and nothing is written',
    async (content) => {
      expect(await refused({ action: 'write', path: 'not-written', content, encoding: 'base64' })).toMatchObject({
        status: 422,
      })
      expect(await refused({ action: 'read', path: 'not-written' })).toMatchObject({ status: 404 })
    },
  )

  test('a file is replaced at once: who reads meanwhile gets the old or the new one, whole', async () => {
    const old = 'o'.repeat(200_000)
    const next = 'n'.repeat(300_000)
    await call({ action: 'write', path: 'atomic', content: old })
    const watcher = shell(`for i in $(seq 60); do head -c1 atomic; wc -c < atomic; done | sort -u`)
    for (let round = 0; round < 10; round++)
      await call({ action: 'write', path: 'atomic', content: round % 2 === 0 ? next : old })
    for (const line of (await watcher).split('\n')) expect(['o200000', 'n300000', 'o300000', 'n200000']).toContain(line)
    expect((await live.api.names(box.id)).filter((name) => name.includes('atomic'))).toEqual(['atomic'])
  })

  test('a file keeps its mode when it is replaced', async () => {
    await shell('printf "#!/bin/sh\\necho one\\n" > run.sh; chmod 751 run.sh')
    await call({ action: 'write', path: 'run.sh', content: '#!/bin/sh\necho two\n' })
    expect(await shell('stat -c %a run.sh; ./run.sh')).toBe('751\ntwo')
  })

  describe('names', () => {
    test.each([
      'with space',
      'new\nline',
      '-rf',
      '--help',
      '"quoted" \'x\' $HOME `id`',
      'ümläut 漢字 🙂',
      '...',
      'x'.repeat(255),
      '%2e%2e',
      'a\\b',
      '*',
    ])('%j is a name as any other', async (name) => {
      await call({ action: 'write', path: `names/${name}`, content: name })
      expect(await live.api.names(box.id, 'names')).toContain(name)
      expect(await live.api.read(box.id, `names/${name}`)).toBe(name)
      await call({ action: 'delete', path: `names/${name}` })
      expect(await live.api.names(box.id, 'names')).not.toContain(name)
    })

    test('that are not UTF-8 are listed with their bytes', async () => {
      await shell(`mkdir -p raw && touch "$(printf 'raw/a\\377b')"`)
      expect((await call({ action: 'list', path: 'raw' })).files).toMatchObject([
        { name: 'a\ufffdb', name_base64: Buffer.from([0x61, 0xff, 0x62]).toString('base64') },
      ])
    })

    test('are sorted', async () => {
      await shell('mkdir sorted; touch sorted/b sorted/a sorted/B sorted/.z sorted/10 sorted/9')
      expect(await live.api.names(box.id, 'sorted')).toEqual(['.z', '10', '9', 'B', 'a', 'b'])
    })

    test('that are too long, or go through a file, are clear errors', async () => {
      expect((await refused({ action: 'write', path: 'x'.repeat(256), content: '' })).status).toBe(400)
      await call({ action: 'write', path: 'plain', content: '' })
      expect(await refused({ action: 'write', path: 'plain/below', content: '' })).toMatchObject({
        status: 400,
        code: 'PATH_NOT_DIRECTORY',
      })
      expect(await refused({ action: 'list', path: 'plain' })).toMatchObject({
        status: 400,
        code: 'PATH_NOT_DIRECTORY',
      })
    })
  })

  test.each(['a\0b', '/etc/passwd\0.txt'])('a path with NUL is refused: %j', async (path) => {
    for (const action of ['read', 'list', 'delete']) expect((await refused({ action, path })).status).toBe(422)
    expect((await refused({ action: 'write', path, content: '' })).status).toBe(422)
  })

  describe('links', () => {
    test('are read through, listed as themselves, and deleted without what they point to', async () => {
      await shell(
        'mkdir links; echo target > links/file; ln -s file links/link; ln -s /nowhere links/broken; ln -s loop links/loop',
      )
      expect(await live.api.read(box.id, 'links/link')).toBe('target\n')
      const { files } = await call({ action: 'list', path: 'links' })
      expect(files).toContainEqual(
        expect.objectContaining({ name: 'link', type: 'symlink', target: 'file', is_dir: false }),
      )
      expect(files).toContainEqual(expect.objectContaining({ name: 'broken', type: 'symlink', target: '/nowhere' }))
      await call({ action: 'delete', path: 'links/link' })
      expect(await live.api.read(box.id, 'links/file')).toBe('target\n')
      expect((await refused({ action: 'read', path: 'links/broken' })).status).toBe(404)
      expect((await refused({ action: 'read', path: 'links/loop' })).status).toBeLessThan(500)
      await call({ action: 'delete', path: 'links/broken' })
    })

    test('to a folder do not make its content go when the link is deleted', async () => {
      await shell('mkdir kept; touch kept/file; ln -s kept to-kept')
      await call({ action: 'delete', path: 'to-kept' })
      expect(await live.api.names(box.id, 'kept')).toEqual(['file'])
    })
  })

  describe('what is no regular file', () => {
    test('a folder can not be read, nor written over', async () => {
      await shell('mkdir folder')
      expect(await refused({ action: 'read', path: 'folder' })).toMatchObject({
        status: 400,
        code: 'PATH_IS_DIRECTORY',
      })
      expect(await refused({ action: 'write', path: 'folder', content: '' })).toMatchObject({
        status: 400,
        code: 'PATH_IS_DIRECTORY',
      })
    })

    test.each([
      ['fifo', 'mkfifo special/fifo', 'special/fifo', 'fifo'],
      ['device', ':', '/dev/zero', 'char_device'],
      [
        'socket',
        `perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "special/socket", Listen => 1)'`,
        'special/socket',
        'socket',
      ],
    ])('a %s is listed as what it is, and neither read nor written, at once', async (_, make, path, type) => {
      await shell(`mkdir -p special; ${make}`)
      const started = performance.now()
      expect(await refused({ action: 'read', path })).toMatchObject({ status: 400, code: 'PATH_NOT_REGULAR_FILE' })
      expect((await refused({ action: 'write', path, content: 'x' })).status).toBeLessThan(500)
      expect(performance.now() - started).toBeLessThan(2000)
      const folder = path.slice(0, path.lastIndexOf('/'))
      const name = path.slice(folder.length + 1)
      const { files } = await call({ action: 'list', path: folder })
      expect(files?.find((file) => file.name === name)).toMatchObject({ type, is_dir: false, size: null })
    })

    test('files of /proc are read though they have no size', async () => {
      expect(await live.api.read(box.id, '/proc/uptime')).toMatch(/^\d+\.\d+ /)
    })
  })

  test.each([
    ['read', '/nope', 404],
    ['list', '/nope', 404],
    ['delete', '/nope', 404],
    ['delete', '/', 400],
    ['delete', '/home/..', 400],
    ['delete', '//', 400],
  ])('%s %s is %d', async (action, path, status) => {
    expect((await refused({ action, path })).status).toBe(status)
  })

  test('`..` is resolved inside', async () => {
    await shell('mkdir -p up/down; echo here > up/here')
    expect(await live.api.read(box.id, 'up/down/../here')).toBe('here\n')
    const passwd = await shell('cat /etc/passwd')
    expect((await live.api.read(box.id, `${'../'.repeat(64)}etc/passwd`))?.trimEnd()).toBe(passwd)
  })

  test.each([
    [{ action: 'read' }, 400, 'Path is required'],
    [{ action: 'delete', path: '' }, 400, 'Path is required'],
    [{ action: 'write', path: 'x' }, 400, 'Path and content are required'],
    [{ action: 'write', content: 'x' }, 400, 'Path and content are required'],
    [{ action: 'chmod', path: 'x' }, 400, 'Unsupported action: chmod'],
  ])('%j is refused in the words of the contract', async (request, status, detail) => {
    expect(await refused(request)).toMatchObject({ status, detail })
  })

  test('64 MiB go both ways, a byte more does not', async () => {
    const size = 64 * 1024 * 1024
    const content = Buffer.alloc(size, 'k2 ').toString('base64')
    await call({ action: 'write', path: 'large', content, encoding: 'base64' })
    expect(await shell('wc -c < large')).toBe(String(size))
    expect((await call({ action: 'read', path: 'large', encoding: 'base64' })).content === content).toBe(true)
    await shell('printf x >> large')
    expect(await refused({ action: 'read', path: 'large', encoding: 'base64' })).toMatchObject({
      status: 413,
      code: 'FILE_TOO_LARGE',
    })
    const more = Buffer.alloc(size + 1).toString('base64')
    expect((await refused({ action: 'write', path: 'larger', content: more, encoding: 'base64' })).status).toBe(413)
    expect((await refused({ action: 'read', path: 'larger' })).status).toBe(404)
    await shell('rm large')
  })

  test('an endless file is refused, not collected', async () => {
    await shell('truncate -s 5G sparse')
    expect(await refused({ action: 'read', path: 'sparse', encoding: 'base64' })).toMatchObject({ status: 413 })
    await shell('rm sparse')
  })
}
