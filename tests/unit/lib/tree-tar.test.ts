import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readTar } from '../../../src/lib/tar.ts'
import { packTree } from '../../../src/lib/tree-tar.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'k2-tar-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a tree is packed with its files, links and modes', async () => {
  mkdirSync(join(folder, 'a/b'), { recursive: true })
  writeFileSync(join(folder, 'a/b/file'), 'content')
  writeFileSync(join(folder, 'a/empty'), '')
  writeFileSync(join(folder, 'a/large'), Buffer.alloc(3_000_001, 7))
  chmodSync(join(folder, 'a/b/file'), 0o640)
  symlinkSync('/etc/passwd', join(folder, 'a/link'))
  execFileSync('mkfifo', [join(folder, 'a/pipe')])
  const seen: unknown[] = []
  for await (const entry of readTar(packTree(join(folder, 'a'), 'top'))) {
    const content = entry.type === 'file' ? await entry.bytes() : null
    seen.push([entry.name, entry.type, entry.mode & 0o777, content?.length ?? entry.linkname])
  }
  expect(seen).toEqual([
    ['top', 'directory', 0o755, null],
    ['top/b', 'directory', 0o755, null],
    ['top/b/file', 'file', 0o640, 7],
    ['top/empty', 'file', 0o644, 0],
    ['top/large', 'file', 0o644, 3_000_001],
    ['top/link', 'symlink', 0o777, '/etc/passwd'],
    ['top/pipe', 'fifo', 0o644, null],
  ])
})

test('a file that grows while it is packed keeps the size it had', async () => {
  const path = join(folder, 'log')
  writeFileSync(path, Buffer.alloc(1_000_000, 1))
  let sizeBytes = 0
  for await (const entry of readTar(packTree(path, 'log'))) {
    appendFileSync(path, 'more')
    sizeBytes = (await entry.bytes()).length
  }
  expect(sizeBytes).toBe(1_000_000)
})

test('a file that shrinks while it is packed fails the stream', async () => {
  const path = join(folder, 'log')
  writeFileSync(path, Buffer.alloc(20_000_000, 1))
  const reading = (async () => {
    for await (const entry of readTar(packTree(path, 'log'))) {
      truncateSync(path, 0)
      await entry.bytes()
    }
  })()
  await expect(reading).rejects.toThrow()
})

test('a path that is not there fails the stream', async () => {
  await expect(Array.fromAsync(packTree(join(folder, 'none'), 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
})

test('leaving a packed tree early is fine', async () => {
  writeFileSync(join(folder, 'large'), Buffer.alloc(20_000_000, 1))
  const tar = packTree(folder, 'top')
  for await (const chunk of tar) {
    expect(chunk.length).toBeGreaterThan(0)
    break
  }
  expect(tar.destroyed).toBe(true)
})
