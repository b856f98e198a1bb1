/** The documents name only what exists, and leave out nothing that they promise to list. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settingsTable } from '../../../src/config.ts'
import { containerSpec } from '../../../src/engine/docker/spec.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'docs/architecture.md',
  'docs/operations.md',
  'docs/security.md',
]

const read = (path: string) => readFile(join(ROOT, path), 'utf8')

test("the README's table of settings is the one that the settings' schema gives", async () => {
  expect(await read('README.md')).toContain(settingsTable())
})

describe.each(DOCUMENTS)('%s', (document) => {
  test('links only to files and headings that exist', async () => {
    const links = [...(await read(document)).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)]
    const broken: string[] = []
    for (const [, path = '', heading] of links) {
      const target = path === '' ? document : normalize(join(dirname(document), path))
      if (!existsSync(join(ROOT, target))) broken.push(target)
      else if (heading && !headings(await read(target)).has(heading)) broken.push(`${target}#${heading}`)
    }
    expect(broken).toEqual([])
  })

  test('names only files of this repository that exist', async () => {
    const paths = (await read(document)).matchAll(/`((?:src|schemas|agent|images|scripts|tests|docs)\/[\w./-]*)`/g)
    expect([...paths].map(([, path = '']) => path).filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  test('names only npm scripts that exist', async () => {
    const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> }
    const named = (await read(document)).matchAll(/\bnpm (?:run ([\w-]+)|(start|test)\b)/g)
    expect([...named].map(([, run, short]) => run ?? short ?? '').filter((name) => !(name in scripts))).toEqual([])
  })

  test('names only settings that exist', async () => {
    const table = settingsTable()
    const named = new Set([...(await read(document)).matchAll(/\bK2_[A-Z_]+[A-Z]\b/g)].map(([name]) => name))
    // The tour's shell variable is K2; K2_MAX_… stands for all of that beginning.
    expect([...named].filter((name) => !table.includes(`\`${name}\``) && !table.includes(`\`${name}_`))).toEqual([])
  })
})

test('each function of the followed request is in the file that the table names', async () => {
  const rows = (await read('docs/architecture.md')).matchAll(/^\| `([\w/.-]+\.(?:ts|go))` \| (`[^|]+`|) \|/gm)
  const missing: string[] = []
  let found = 0
  for (const [, path = '', functions = ''] of rows) {
    const source = await read(path)
    for (const [, name = ''] of functions.matchAll(/`(?:\w+\.)?(\w+)`/g)) {
      found++
      if (!new RegExp(`\\b${name}\\b`).test(source)) missing.push(`${path}: ${name}`)
    }
  }
  expect(missing).toEqual([])
  expect(found).toBeGreaterThan(15)
})

test('every container setting that the server sends has its row in docs/security.md', async () => {
  const { HostConfig, ...config } = containerSpec(
    {
      id: 'a'.repeat(20),
      template: { reference: 'a', imageId: 'sha256:a', env: {}, user: null, workdir: null, volumes: ['/data'] },
      resources: { cpus: 1, memoryMb: 1024, pids: 512, diskMb: 100 },
      network: 'none',
      record: '',
    },
    {
      instance: 'a',
      secret: Buffer.alloc(32),
      link: 'exec',
      runDir: '/a',
      agentVolume: 'a',
      network: 'a',
      seccompProfile: '{}',
      openFilesHard: 16_384,
      diskLimit: true,
    },
  )
  const document = await read('docs/security.md')
  const said = new Set([...document.matchAll(/`([A-Z][A-Za-z]+)`/g)].map(([, name]) => name))
  expect(Object.keys(HostConfig ?? {}).filter((name) => !said.has(name))).toEqual([])
  const overridden = ['Entrypoint', 'Cmd', 'User', 'WorkingDir', 'Healthcheck', 'StopSignal', 'Hostname', 'Labels']
  expect(overridden.filter((name) => !(name in config) || !said.has(name))).toEqual([])
})

test('every sentence of the troubleshooting table is one that the program can say', async () => {
  const table = /## Troubleshooting\n(.*?)\n\n\*\*/s.exec(await read('README.md'))?.[1] ?? ''
  const sentences = [...table.matchAll(/^\| `([^`]+)` \|/gm)].map(([, sentence = '']) => sentence)
  const source = await sourceText(['scripts', 'src'])
  const unsaid = sentences.filter((sentence) => !sentence.split('…').every((part) => source.includes(part.trim())))
  expect(unsaid).toEqual([])
  expect(sentences.length).toBeGreaterThan(20)
})

/** Headings as GitHub makes anchors of them. */
function headings(document: string): Set<string> {
  const titles = [...document.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title)
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** All TypeScript and JavaScript below the folders; string literals that are split over lines are joined, `${…}` is a gap. */
async function sourceText(folders: string[]): Promise<string> {
  const names = await Promise.all(folders.map((folder) => readdir(join(ROOT, folder), { recursive: true })))
  const paths = names.flatMap((found, index) => found.map((name) => join(folders[index] ?? '', name)))
  const texts = await Promise.all(paths.filter((path) => /\.(ts|mjs)$/.test(path)).map(read))
  return texts.join('\n').replaceAll(/['`] \+\s+['`]/g, '')
}
