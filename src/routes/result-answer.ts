import type { Result } from '../../schemas/code.ts'
import type { Display } from '../core/model.ts'

/** Forms from rich to plain: which one `type` and `value` show. What is not among them comes before plain text. */
const RICHEST_FIRST = [
  'text/html',
  'image/svg+xml',
  'image/png',
  'image/jpeg',
  'application/pdf',
  'text/latex',
  'text/markdown',
  'application/json',
  'application/javascript',
]
const PLAIN = 'text/plain'
/** What our drivers add beside the usual forms (agent/internal/drivers/README.md). */
const DATA = 'application/vnd.k2.data+json'
const CHART = 'application/vnd.k2.chart+json'
const ADDED = new Set([DATA, CHART, PLAIN])

/** One display with all its forms. */
export function resultAnswer({ data, main, displayId, truncated }: Display): Result {
  const type = richest(data)
  const text = (mime: string) => (typeof data[mime] === 'string' ? data[mime] : null)
  return {
    type,
    value: data[type] ?? null,
    mime_type: type,
    text: text(PLAIN),
    html: text('text/html'),
    png: text('image/png'),
    jpeg: text('image/jpeg'),
    pdf: text('application/pdf'),
    svg: text('image/svg+xml'),
    latex: text('text/latex'),
    json: data['application/json'] ?? null,
    markdown: text('text/markdown'),
    javascript: text('application/javascript'),
    data: data[DATA] ?? null,
    chart: data[CHART] ?? null,
    raw: data,
    is_main_result: main,
    display_id: displayId,
    truncated,
  }
}

/** The main result as text, null when there is none. */
export function mainText(displays: Display[]): string | null {
  const text = displays.find(({ main }) => main)?.data[PLAIN]
  return typeof text === 'string' ? text : null
}

function richest(data: Display['data']): string {
  const forms = Object.keys(data)
  return RICHEST_FIRST.find((mime) => mime in data) ?? forms.find((mime) => !ADDED.has(mime)) ?? PLAIN
}
