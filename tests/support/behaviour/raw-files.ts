import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { FileInfo } from '../../../schemas/filesystem.ts'
import { writeTar } from '../../../src/lib/tar.ts'
import { asProblem } from '../api.ts'
import { type Live, useSandbox } from '../live.ts'
import { waitFor } from '../wait-for.ts'

const MIB = 1024 * 1024

/** Files as raw bytes, and trees as archives, on every engine and over every link. */
export function describeRawFiles(live: Live): void {
  const box = useSandbox(live)
  const url = (path: string, more = '') =>
    `${live.api.url}/sandboxes/${box.id}/files?path=${encodeURIComponent(path)}${more}`
  const archive = (path: string, more = '') =>
    `${live.api.url}/sandboxes/${box.id}/archive?path=${encodeURIComponent(path)}${more}`
  const put = (path: string, body: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}, more = '') =>
    fetch(url(path, more), { method: 'PUT', body, headers })
  const get = (path: string, headers: Record<string, string> = {}) => fetch(url(path), { headers })
  const refusal = async (answer: Response) =>
    asProblem({ status: answer.status, headers: answer.headers, text: await answer.text() })
  const text = (path: string) => live.api.output(box.id, `cat '${path}'`)

  test('what is written is read back, byte for byte, with its type, mode and version', async () => {
    const bytes = randomBytes(3 * MIB + 17)
    const written = await put('raw/deep/photo.PNG', bytes, {}, '&mode=640')
    expect(written.status).toBe(200)
    const info = (await written.json()) as FileInfo
    expect(info).toMatchObject({ name: 'photo.PNG', size: bytes.length, mode: 0o640, type: 'file' })
    const read = await get('raw/deep/photo.PNG')
    expect(Object.fromEntries(read.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(bytes.length),
      'accept-ranges': 'bytes',
      etag: info.etag,
      'k2-file-mode': '0640',
      'content-disposition': `attachment; filename="photo.PNG"; filename*=UTF-8''photo.PNG`,
    })
    expect(Buffer.from(await read.arrayBuffer()).equals(bytes)).toBe(true)
    const head = await fetch(url('raw/deep/photo.PNG'), {
      method: 'HEAD',
      headers: { 'want-repr-digest': 'sha-256=5' },
    })
    const digest = createHash('sha256').update(bytes).digest('base64')
    expect(head.headers.get('repr-digest')).toBe(`sha-256=:${digest}:`)
    expect(head.headers.get('content-length')).toBe(String(bytes.length))
    expect(head.headers.get('k2-file-type')).toBe('file')
  })

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=5-999', '56789', 'bytes 5-9/10'],
  ])('the range %s', async (range, content, contentRange) => {
    await put('digits', '0123456789')
    const answer = await get('digits', { range })
    expect([answer.status, await answer.text(), answer.headers.get('content-range')]).toEqual([
      206,
      content,
      contentRange,
    ])
  })

  test('ranges that do not count give the whole, one beyond the end none', async () => {
    await put('digits', '0123456789')
    for (const range of ['bytes=0-1,3-4', 'lines=1-2', 'bytes=5-2'])
      expect(await (await get('digits', { range })).text(), range).toBe('0123456789')
    const beyond = await get('digits', { range: 'bytes=10-' })
    expect(beyond.headers.get('content-range')).toBe('bytes */10')
    expect(await refusal(beyond)).toMatchObject({ status: 416, code: 'RANGE_NOT_SATISFIABLE' })
    const resumed = await get('digits', { range: 'bytes=4-', 'if-range': '"another"' })
    expect([resumed.status, await resumed.text()]).toEqual([200, '0123456789'])
  })

  test('conditions: a write loses no other write, and a read is spared where nothing changed', async () => {
    const etag = (answer: Response) => answer.headers.get('etag') ?? ''
    const made = await put('shared', 'one', { 'if-none-match': '*' })
    expect(made.status).toBe(200)
    const again = await put('shared', 'two', { 'if-none-match': '*' })
    expect(await refusal(again)).toMatchObject({ status: 412, code: 'PRECONDITION_FAILED' })
    const changed = await put('shared', 'two', { 'if-match': etag(made) })
    expect(changed.status).toBe(200)
    expect(etag(changed)).not.toBe(etag(made))
    expect((await put('shared', 'three', { 'if-match': etag(made) })).status).toBe(412)
    expect((await get('shared', { 'if-none-match': `"x", ${etag(changed)}` })).status).toBe(304)
    expect(await (await get('shared', { 'if-none-match': etag(made) })).text()).toBe('two')
    const gone = await fetch(url('shared'), { method: 'DELETE', headers: { 'if-match': etag(made) } })
    expect(gone.status).toBe(412)
    expect((await fetch(url('shared'), { method: 'DELETE', headers: { 'if-match': etag(changed) } })).status).toBe(200)
    expect(await refusal(await get('shared'))).toMatchObject({ status: 404, code: 'FILE_NOT_FOUND' })
    expect((await put('shared', 'x', { 'if-match': '*' })).status).toBe(412)
    expect((await put('shared', 'x', { 'if-match': 'unquoted' })).status).toBe(400)
  })

  test('of many writers who saw no file one wins', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => put('won', `writer ${index}`, { 'if-none-match': '*' })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(11).fill(412)])
    const winner = answers.findIndex(({ status }) => status === 200)
    expect(await text('won')).toBe(`writer ${winner}`)
  })

  test('content that is not what its digest says is not written', async () => {
    await put('checked', 'before')
    const digestOf = (content: string) => `sha-256=:${createHash('sha256').update(content).digest('base64')}:`
    const wrong = await put('checked', 'after', { 'repr-digest': digestOf('other') })
    expect(await refusal(wrong)).toMatchObject({ status: 400, code: 'DIGEST_MISMATCH' })
    expect(await text('checked')).toBe('before')
    expect((await put('checked', 'after', { 'content-digest': digestOf('after') })).status).toBe(200)
    expect(await text('checked')).toBe('after')
  })

  test('an upload that is cut leaves the old file, and nothing beside it', async () => {
    await put('cut/file', 'old')
    const call = request(url('cut/file'), { method: 'PUT', headers: { 'content-length': 50 * MIB } })
    call.on('error', () => {})
    await new Promise((resolve) => call.write(Buffer.alloc(20 * MIB), resolve))
    const parts = async () => Number(await live.api.output(box.id, 'ls -A cut | wc -l'))
    await waitFor('the upload to be on its way', async () => (await parts()) === 2)
    call.destroy()
    await waitFor('it to be cleared away', async () => (await parts()) === 1)
    expect(await text('cut/file')).toBe('old')
    expect(await live.api.names(box.id, 'cut')).toEqual(['file'])
  })

  const gz = gzipSync(randomBytes(100_000))
  test.each([
    ['a file without a length', 'PUT', 'files?path=cut2', {}, Buffer.from('abc')],
    [
      'a file with a digest',
      'PUT',
      'files?path=cut2',
      { 'repr-digest': `sha-256=:${'A'.repeat(43)}=:` },
      Buffer.from('abc'),
    ],
    ['a tar', 'PUT', 'archive?path=cut2', {}, Buffer.alloc(700, 'x')],
    ['a compressed tar', 'PUT', 'archive?path=cut2', {}, gz.subarray(0, 50_000)],
    [
      'a zstd archive',
      'PUT',
      'archive?path=cut2&format=tar.zst',
      {},
      zstdCompressSync(randomBytes(100_000)).subarray(0, 50_000),
    ],
    [
      'a form, inside a file',
      'POST',
      'files',
      { 'content-type': 'multipart/form-data; boundary=B' },
      Buffer.from('--B\r\ncontent-disposition: form-data; name="f"; filename="cut2"\r\n\r\nhalf'),
    ],
  ])('%s that is cut ends that call alone', async (_what, method, route, headers, part) => {
    for (const more of [{}, { 'content-length': 1_000_000 }]) {
      const call = request(`${live.api.url}/sandboxes/${box.id}/${route}`, { method, headers: { ...headers, ...more } })
      call.on('error', () => {})
      await new Promise((resolve) => call.write(part, resolve))
      // It has arrived when an answer to something later has.
      await live.api.get(box.id)
      call.destroy()
      await live.api.output(box.id, 'true')
    }
    expect(await live.api.output(box.id, 'test -f cut2 && cat cut2 || echo none')).toBe('none')
  })

  test('an empty body is an empty archive or no archive, and answered at once', async () => {
    for (const more of ['', '&format=tar', '&format=tar.gz', '&format=tar.zst'])
      expect((await fetch(archive('empty', more), { method: 'PUT', body: '' })).status, more).toBeOneOf([200, 400])
  })

  test('what a browser would run comes as bytes to be saved', async () => {
    for (const name of ['page.html', 'image.svg', 'script.js']) {
      await put(name, '<script>alert(1)</script>')
      const { headers } = await get(name)
      expect(headers.get('content-type')).toBe('application/octet-stream')
      expect(headers.get('content-disposition')).toMatch(/^attachment/)
      expect(headers.get('content-security-policy')).toMatch(/^sandbox/)
    }
    await put('名前 "x".txt', 'x')
    expect((await get('名前 "x".txt')).headers.get('content-disposition')).toBe(
      `attachment; filename="__ _x_.txt"; filename*=UTF-8''%E5%90%8D%E5%89%8D%20%22x%22.txt`,
    )
  })

  test('folders, FIFOs and devices are no files to be read, and say so', async () => {
    await live.api.output(box.id, 'mkdir -p odd/folder; mkfifo odd/fifo')
    expect(await refusal(await get('odd/folder'))).toMatchObject({ status: 400, code: 'PATH_IS_DIRECTORY' })
    expect(await refusal(await get('odd/fifo'))).toMatchObject({ status: 400, code: 'PATH_NOT_REGULAR_FILE' })
    expect(await refusal(await get('/dev/zero'))).toMatchObject({ status: 400, code: 'PATH_NOT_REGULAR_FILE' })
    const head = await fetch(url('odd/folder'), { method: 'HEAD' })
    expect([head.status, head.headers.get('k2-file-type')]).toEqual([200, 'directory'])
    expect((await fetch(url('odd'), { method: 'DELETE' })).status).toBe(400)
    expect((await fetch(url('odd', '&recursive=true'), { method: 'DELETE' })).status).toBe(200)
  })

  test('many at once as a form: each part to its path, in order', async () => {
    const form = new FormData()
    form.append('a', new Blob(['first']), 'src/a.txt')
    form.append('note', 'a field is passed over')
    form.append('b', new Blob([randomBytes(2 * MIB)]), 'deep/er/b.bin')
    const answer = await fetch(`${live.api.url}/sandboxes/${box.id}/files?path=form`, { method: 'POST', body: form })
    const { files } = (await answer.json()) as { files: FileInfo[] }
    expect(files.map(({ path, size }) => [path.replace(/^.*\/form\//, ''), size])).toEqual([
      ['src/a.txt', 5],
      ['deep/er/b.bin', 2 * MIB],
    ])
    expect(await text('form/src/a.txt')).toBe('first')
    const bad = new FormData()
    bad.append('a', new Blob(['x']), 'ok.txt')
    bad.append('b', new Blob([randomBytes(MIB)]), 'ok.txt/inside')
    const failed = await fetch(`${live.api.url}/sandboxes/${box.id}/files?path=form`, { method: 'POST', body: bad })
    const problem = await refusal(failed)
    expect(problem.detail).toMatch(/ok.txt\/inside.*written: 1/)
    const json = await live.api.refused('POST', `/sandboxes/${box.id}/files`, {})
    expect(json.status).toBe(415)
  })

  test.each(['tar', 'tar.gz', 'tar.zst'] as const)('a tree as %s, out and in again', async (format) => {
    await live.api.output(
      box.id,
      'rm -rf tree back; mkdir -p tree/sub; echo one > tree/one; echo two > tree/sub/two; chmod 750 tree/sub/two; ln -s sub/two tree/link',
    )
    const packed = await fetch(archive('tree', `&format=${format}`))
    expect(packed.headers.get('content-disposition')).toContain(`"tree.${format}"`)
    const bytes = Buffer.from(await packed.arrayBuffer())
    const unpacked = await fetch(archive('back'), { method: 'PUT', body: bytes })
    expect(await unpacked.json()).toEqual({ entries: expect.any(Number), bytes: 8 })
    expect(await live.api.output(box.id, 'cd back && cat one link && stat -c %a sub/two && readlink link')).toBe(
      'one\ntwo\n750\nsub/two',
    )
  })

  test('archives that are hostile, or none, are refused, and nothing gets out', async () => {
    const hostile = Buffer.concat(
      await Array.fromAsync(
        writeTar([{ name: '../escaped', type: 'file', mode: 0o644, uid: 0, gid: 0, content: Buffer.from('x') }]),
      ),
    )
    const send = async (body: Buffer, more = '') =>
      refusal(await fetch(archive('unpacked', more), { method: 'PUT', body: new Uint8Array(body) }))
    expect(await send(hostile)).toMatchObject({ status: 400, code: 'ARCHIVE_UNSAFE' })
    expect(await send(gzipSync(hostile))).toMatchObject({ code: 'ARCHIVE_UNSAFE' })
    expect(await live.api.output(box.id, 'ls escaped ../escaped 2>/dev/null || echo none')).toBe('none')
    expect((await send(Buffer.from('not an archive'))).status).toBe(400)
    expect(await send(Buffer.from('not an archive'), '&format=tar.zst')).toMatchObject({ code: 'ARCHIVE_INVALID' })
    const whole = zstdCompressSync(randomBytes(MIB))
    expect(await send(whole.subarray(0, whole.length / 2))).toMatchObject({ status: 400 })
    // The connections of refused uploads are still good for others.
    expect((await live.api.get(box.id)).status).toBe('running')
    const bomb = gzipSync(Buffer.alloc(200 * MIB), { level: 9 })
    expect(await send(bomb)).toMatchObject({ code: 'ARCHIVE_UNSAFE' })
  })
}
