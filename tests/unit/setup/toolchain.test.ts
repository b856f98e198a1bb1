import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { requireFreeSpace } from '../../../scripts/setup/disk-space.ts'
import { isNewEnough } from '../../../scripts/setup/go-toolchain.ts'
import { hashSources, listSources } from '../../../scripts/setup/source-hash.ts'

test.for([
  ['go1.24', true],
  ['go1.26.8', true],
  ['go1.25rc1', true],
  ['go2.0', true],
  ['go1.23.9', false],
  ['go1.9', false],
  ['devel +abc', false],
  ['', false],
] as const)('Go toolchain %s: new enough %s', ([version, expected]) => expect(isNewEnough(version)).toBe(expected))

test('free space: a folder that is not there yet counts as its parent, too little is refused', async () => {
  await expect(requireFreeSpace(join(tmpdir(), 'not', 'there'), 1)).resolves.toBeUndefined()
  await expect(requireFreeSpace(join(tmpdir(), 'not', 'there'), 1e18)).rejects.toThrow(/are needed: free some/)
})

test('source hash: changes with content, name and toolchain, and with nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sources-'))
  try {
    await writeFile(join(folder, 'a.go'), 'one')
    const names = await listSources(folder, (name) => name.endsWith('.go'))
    const first = await hashSources(folder, names, ['go1.24'])
    await writeFile(join(folder, 'note.md'), 'x')
    expect(await listSources(folder, (name) => name.endsWith('.go'))).toEqual(['a.go'])
    expect(await hashSources(folder, names, ['go1.24'])).toBe(first)
    expect(await hashSources(folder, names, ['go1.25'])).not.toBe(first)
    await writeFile(join(folder, 'a.go'), 'two')
    expect(await hashSources(folder, names, ['go1.24'])).not.toBe(first)
  } finally {
    await rm(folder, { recursive: true })
  }
})
