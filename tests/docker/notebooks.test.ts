/**
 * Notebooks of a usual size, cell by cell, against the outputs stored in them. Those come from a plain interpreter that ran the same
 * code, so they say nothing of ours. A picture is stored without its bytes: they differ with the fonts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ExecutionResponse } from '../../schemas/code.ts'
import type { Context } from '../../schemas/context.ts'
import { useSandbox, useServer } from '../support/live.ts'

interface Output {
  output_type: 'stream' | 'execute_result' | 'display_data' | 'error'
  text?: string[]
  data?: { 'text/plain'?: string[]; 'image/png'?: string }
  ename?: string
  evalue?: string
}

interface Notebook {
  cells: { cell_type: 'markdown' | 'code'; source: string[]; outputs?: Output[] }[]
  /** `packages`: what Python needs to have. */
  metadata: { packages: string[] }
}

const FOLDER = join(import.meta.dirname, '../notebooks')
const PNG_BEGINS = 'iVBORw0KGgo'
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.ipynb'))
const read = (name: string) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as Notebook

describe('a notebook', () => {
  const live = useServer()
  const box = useSandbox(live)

  test.for(names)('%s gives what is stored in it', async (name, { skip }) => {
    const { cells, metadata } = read(name)
    const missing = await lacking(metadata.packages)
    if (missing !== '') skip(`the image lacks ${missing}`)
    const path = `/sandboxes/${box.id}/contexts`
    const { context_id } = await live.api.json<Context>('POST', path, { language: 'python' })
    const code = cells.filter(({ cell_type }) => cell_type === 'code')
    expect(code.length).toBeGreaterThanOrEqual(15)
    for (const { source, outputs = [] } of code) {
      const answer = await live.api.code(box.id, source.join(''), { context_id })
      expect(seen(answer), source.join('')).toEqual(stored(outputs))
    }
    await live.api.json('DELETE', `${path}/${context_id}`)
  })

  async function lacking(packages: string[]): Promise<string> {
    const code = `import importlib.util\nprint(*(p for p in ${JSON.stringify(packages)} if not importlib.util.find_spec(p)))`
    return (await live.api.code(box.id, code)).logs.stdout
      .map(({ line }) => line)
      .join('')
      .trim()
  }
})

function stored(outputs: Output[]) {
  const of = (type: string) => outputs.filter(({ output_type }) => output_type === type)
  const [result] = of('execute_result')
  const [error] = of('error')
  return {
    stdout: of('stream')
      .flatMap(({ text = [] }) => text)
      .join(''),
    text: result?.data?.['text/plain']?.join('') ?? null,
    pictures: of('display_data').length,
    error: error ? { name: error.ename, value: error.evalue } : null,
  }
}

function seen({ logs, text, results, error }: ExecutionResponse) {
  return {
    stdout: logs.stdout.map(({ line }) => line).join(''),
    text,
    pictures: results.filter(({ png }) => png?.startsWith(PNG_BEGINS)).length,
    // Python adds the name of its file to the message of a syntax error.
    error: error && { name: error.name, value: error.value.replace(/ \(.*, line \d+\)$/, '') },
  }
}
