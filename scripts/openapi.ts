/** Writes openapi.json from the routes' schemas; with --check, says where the committed one differs and exits 1. */
import { readFile, writeFile } from 'node:fs/promises'
import { buildApp, type Deps } from '../src/app.ts'

const FILE = new URL('../openapi.json', import.meta.url)

/** The document is made from schemas alone: no handler runs. */
const deps = { config: {} } as unknown as Deps

/** Path of the first value that differs, outside in; undefined when none does. */
function firstDifference(left: unknown, right: unknown, path: string[] = []): string[] | undefined {
  if (Object.is(left, right)) return undefined
  if (!isBranch(left) || !isBranch(right) || Array.isArray(left) !== Array.isArray(right)) return path
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const difference = firstDifference(left[key], right[key], [...path, key])
    if (difference) return difference
  }
  return undefined
}

const isBranch = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

async function main(): Promise<void> {
  const app = await buildApp(deps)
  // Through JSON: what it drops is not in the file either.
  const document: unknown = JSON.parse(JSON.stringify(app.swagger()))
  await app.close()
  if (!process.argv.includes('--check')) {
    await writeFile(FILE, `${JSON.stringify(document, null, 2)}\n`)
    return
  }
  const committed: unknown = JSON.parse(await readFile(FILE, 'utf8').catch(() => 'null'))
  const difference = firstDifference(committed, document)
  if (difference) {
    console.error(
      `openapi.json is not what the schemas say, first at ${difference.join(' / ') || 'its root'}; run: npm run openapi`,
    )
    process.exitCode = 1
  }
}

await main()
