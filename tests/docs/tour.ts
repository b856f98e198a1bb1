import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const README = join(import.meta.dirname, '..', '..', 'README.md')
export const TOUR_URL = 'http://127.0.0.1:8000'

const ANSWERS = ['json', 'jsonl', 'text'] as const
type AnswerKind = (typeof ANSWERS)[number]

/** One fenced block of commands, and the answer that the document shows right below it. */
export interface TourStep {
  heading: string
  commands: string
  answer: { kind: AnswerKind; text: string } | null
}

/** The steps of the README's tour, in order. */
export async function readTour(): Promise<TourStep[]> {
  const tour = /<!-- tour:start -->(.*)<!-- tour:end -->/s.exec(await readFile(README, 'utf8'))?.[1] ?? ''
  const steps: TourStep[] = []
  let heading = ''
  for (const [, title, kind, text = ''] of tour.matchAll(/^### ([^\n]+)$|^```(\w+)\n(.*?)^```$/gms)) {
    const last = steps.at(-1)
    if (title !== undefined) heading = title
    else if (kind === 'sh') steps.push({ heading, commands: text, answer: null })
    else if (isAnswer(kind) && last && last.answer === null) last.answer = { kind, text }
    else throw new Error(`the tour has a block of "${kind}" that answers no command, below "${heading}"`)
  }
  return steps
}

function isAnswer(kind: string | undefined): kind is AnswerKind {
  return ANSWERS.some((answer) => answer === kind)
}

/** The whole tour as one script that prints `separator` on a line of its own behind each step's output. */
export function tourScript(steps: TourStep[], url: string, separator: string): string {
  const parts = steps.map(({ commands }) => `${commands.replaceAll(TOUR_URL, url)}\nprintf '\\n%s\\n' '${separator}'\n`)
  return parts.join('')
}

/** What is different in each run becomes the same word in both: ids, times, and figures of members that measure. */
export function withoutDynamics({ kind, text }: { kind: AnswerKind; text: string }): unknown {
  if (kind === 'text') return text.trim()
  return kind === 'json' ? parse(text) : text.trim().split('\n').map(parse)
}

function parse(json: string): unknown {
  return JSON.parse(json, (key, value: unknown) => {
    if (typeof value === 'number' && MEASURED.has(key)) return '<figure>'
    if (typeof value !== 'string') return value
    const found = FORMS.find(([, form]) => form.test(value))
    return found ? found[0] : value
  })
}

const MEASURED = new Set(['execution_time', 'cpu_seconds', 'peak_memory_bytes', 'wall_seconds', 'timestamp'])

const FORMS: [string, RegExp][] = [
  ['<sandbox id>', /^[a-z0-9]{20}$/],
  ['<etag>', /^"[A-Za-z0-9-]+"$/],
  ['<process id>', /^p[0-9a-f]{20}$/],
  ['<request id>', /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/],
  ['<time>', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/],
]
