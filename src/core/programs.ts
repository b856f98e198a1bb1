import { SandboxError } from '../errors.ts'
import type { Executions } from './executions.ts'
import { askImage } from './image-shell.ts'
import type { Language } from './languages/language.ts'
import { LANGUAGES } from './languages/table.ts'
import type { LiveSandbox, LiveSandboxes } from './live.ts'
import type { AvailableLanguage, CallOptions } from './model.ts'
import type { Registry } from './registry.ts'

const PROBE = 'for program in "$@"; do command -v "$program" >/dev/null 2>&1 && echo "$program"; done; :'
/** Pairs of a program and its flag, all at once: some take a second to start. A line each, of which the first number is the version. */
const ASK_VERSIONS = `while [ $# -gt 1 ]; do
  { said=$("$1" "$2" 2>&1 </dev/null | head -n 3 | tr '\\n\\t' '  '); printf '%s\\t%s\\n' "$1" "$said"; } & shift 2
done; wait`
const VERSION = /\d+(?:\.\d+)+/

/** Which interpreters and compilers a sandbox has: asked once per run of it, and again when one is missing, as it may have been installed since. */
export class Programs {
  readonly #executions: Executions
  readonly #live: LiveSandboxes
  readonly #registry: Registry
  readonly #found = new WeakMap<LiveSandbox, Set<string>>()

  constructor(parts: { executions: Executions; live: LiveSandboxes; registry: Registry }) {
    this.#executions = parts.executions
    this.#live = parts.live
    this.#registry = parts.registry
  }

  /** The first program of the language that is there. LANGUAGE_UNAVAILABLE names those languages that the sandbox does have. */
  async find(id: string, language: Language, options: CallOptions): Promise<string> {
    const sandbox = this.#live.of(this.#registry.require(id))
    const known = this.#found.get(sandbox)
    const program = known && firstOf(language, known)
    if (program) return program
    const found = await this.#probe(id, options)
    this.#found.set(sandbox, found)
    const now = firstOf(language, found)
    if (now) return now
    const others = LANGUAGES.filter((candidate) => firstOf(candidate, found) !== undefined).map(
      (candidate) => candidate.name,
    )
    throw new SandboxError(
      'LANGUAGE_UNAVAILABLE',
      `the sandbox's image has no ${language.programs.join(' or ')}, which ${language.name} needs; ` +
        (others.length > 0 ? `it can run ${others.join(', ')}` : 'it can run none of the languages this server knows'),
    )
  }

  /** Every language that the sandbox can run, with the version of what runs it. Asks anew each time. */
  async list(id: string, options: CallOptions = {}): Promise<AvailableLanguage[]> {
    const found = await this.#probe(id, options)
    const there = LANGUAGES.flatMap((language) => {
      const program = firstOf(language, found)
      return program === undefined ? [] : [{ language, program }]
    })
    const flags = new Map(there.map(({ language, program }) => [program, language.versionFlag ?? '--version']))
    const said = await askImage(this.#executions, id, { script: ASK_VERSIONS, args: [...flags].flat() }, options)
    const versions = new Map(said.map((line) => line.split('\t', 2) as [string, string | undefined]))
    return there.map(({ language: { name, aliases = [], stateful = [] }, program }) => {
      const version = VERSION.exec(versions.get(program) ?? '')?.[0] ?? null
      return { name, aliases, stateful: stateful.some((one) => found.has(one)), program, version, kernel: null }
    })
  }

  async #probe(id: string, options: CallOptions): Promise<Set<string>> {
    const programs = [...new Set(LANGUAGES.flatMap((language) => language.programs))]
    return new Set(await askImage(this.#executions, id, { script: PROBE, args: programs }, options))
  }
}

const firstOf = (language: Language, found: Set<string>) => language.programs.find((program) => found.has(program))
