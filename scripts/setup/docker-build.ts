import { createWriteStream, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import tar from 'tar-stream'
import { describeFailedBuild, describeFullDisk, isDiskFull, messageOf, SetupError } from './problems.ts'

export interface BuildOptions {
  tag: string
  labels?: Record<string, string>
  /** Everything the engine says goes here. */
  logPath: string
  timeoutMs: number
}

const LINES_SHOWN = 15

/** Context of a build: path → content. */
export type BuildContext = Map<string, Buffer | string>

/** Builds an image through the engine's API (no client program is needed). Prints the last lines when it fails; throws SetupError. */
export async function buildImage(docker: Docker, context: BuildContext, options: BuildOptions): Promise<void> {
  const { tag, labels = {}, logPath, timeoutMs } = options
  const query = { t: tag, labels, forcerm: true, abortSignal: AbortSignal.timeout(timeoutMs) }
  try {
    const answer = await docker.buildImage(packContext(context), query)
    await followEngine(answer as Readable, logPath)
  } catch (thrown) {
    if (thrown instanceof EngineWords) {
      if (!isDiskFull(thrown.message)) console.error(thrown.lastLines.join('\n'))
      throw new SetupError(describeFailedBuild(tag, [...thrown.lastLines, thrown.message].join('\n'), logPath))
    }
    if (isDiskFull(messageOf(thrown))) throw new SetupError(describeFullDisk(`building ${tag}`))
    throw new SetupError(`${tag} could not be built (${messageOf(thrown)}): see ${logPath}.`)
  }
}

/** What the engine said when a build, pull or import failed. */
export class EngineWords extends Error {
  readonly lastLines: string[]
  constructor(message: string, lastLines: string[]) {
    super(message)
    this.lastLines = lastLines
  }
}

/**
 * Reads the engine's stream of JSON lines to its end, into the log. `onLine` sees every line's text.
 * Throws EngineWords when a line carries an error: the HTTP status was 200 long before.
 */
export async function followEngine(answer: Readable, logPath: string, onLine?: (line: string) => void): Promise<void> {
  mkdirSync(dirname(logPath), { recursive: true })
  const log = createWriteStream(logPath, { flags: 'w' })
  const lastLines: string[] = []
  let fault = ''
  try {
    for await (const json of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) {
      const said = parseLine(json)
      if (said.error) fault = said.error
      const words = said.stream ?? said.error ?? [said.id, said.status].filter(Boolean).join(' ')
      if (!words.trim()) continue
      log.write(words.endsWith('\n') ? words : `${words}\n`)
      onLine?.(words)
      lastLines.push(...words.trimEnd().split('\n'))
      lastLines.splice(0, lastLines.length - LINES_SHOWN)
    }
  } finally {
    await new Promise((resolve) => log.end(resolve))
  }
  if (fault) throw new EngineWords(fault, lastLines)
}

interface EngineLine {
  stream?: string
  status?: string
  id?: string
  error?: string
}

function parseLine(json: string): EngineLine {
  try {
    return JSON.parse(json) as EngineLine
  } catch {
    return { stream: json }
  }
}

function packContext(context: BuildContext): Readable {
  const pack = tar.pack()
  for (const [name, content] of context) pack.entry({ name, mode: 0o755 }, content)
  pack.finalize()
  return Readable.from(pack)
}

/** Reads named files of a folder into a context. */
export async function contextOf(folder: string, names: string[]): Promise<BuildContext> {
  const contents = await Promise.all(names.map((name) => readFile(join(folder, name))))
  return new Map(names.map((name, index) => [name, contents[index] ?? '']))
}
