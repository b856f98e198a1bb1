import type { Executions } from './executions.ts'
import { askImage } from './image-shell.ts'
import type { LiveSandbox, LiveSandboxes } from './live.ts'
import type { CallOptions } from './model.ts'
import type { Registry } from './registry.ts'

/** A Jupyter kernel that an image has: what its kernelspec says. */
export interface Kernelspec {
  /** Of its folder. */
  name: string
  /** The language it runs, lower case. */
  language: string
  /** The program that it is started with, without its folder. */
  program: string
}

/** One a line: name, tab, kernel.json. The folders and their order are those of agent/internal/jupyter/kernelspec.go. */
const LIST = `IFS=:
for base in $JUPYTER_PATH "$HOME/.local/share/jupyter" /opt/conda/share/jupyter /usr/local/share/jupyter /usr/share/jupyter; do
  for file in "$base"/kernels/*/kernel.json; do
    [ -f "$file" ] || continue
    folder=\${file%/kernel.json}
    printf '%s\\t%s\\n' "\${folder##*/}" "$(head -c 16384 "$file" | tr '\\n\\t' '  ')"
  done
done`
const NAME = /^[A-Za-z0-9._-]{1,64}$/

/** Which Jupyter kernels a sandbox has. Looked up once per run of it, and whenever `list` is asked to look. */
export class Kernels {
  readonly #executions: Executions
  readonly #live: LiveSandboxes
  readonly #registry: Registry
  readonly #found = new WeakMap<LiveSandbox, Kernelspec[]>()

  constructor(parts: { executions: Executions; live: LiveSandboxes; registry: Registry }) {
    this.#executions = parts.executions
    this.#live = parts.live
    this.#registry = parts.registry
  }

  /** In the order in which the agent would find them. */
  async list(id: string, { again = false, ...options }: CallOptions & { again?: boolean } = {}): Promise<Kernelspec[]> {
    const sandbox = this.#live.of(this.#registry.require(id))
    const known = this.#found.get(sandbox)
    if (known && !again) return known
    const lines = await askImage(this.#executions, id, { script: LIST }, options)
    const found: Kernelspec[] = []
    for (const spec of lines.flatMap(readSpec)) if (!found.some(({ name }) => name === spec.name)) found.push(spec)
    this.#found.set(sandbox, found)
    return found
  }

  /** The kernel for a language: the one of that name, else the first that runs it. Unknown ones are looked for anew. */
  async find(id: string, names: string[], options: CallOptions & { again?: boolean }): Promise<Kernelspec | undefined> {
    const kernels = await this.list(id, options)
    return (
      kernels.find(({ name }) => names.includes(name.toLowerCase())) ??
      kernels.find(({ language }) => names.includes(language))
    )
  }
}

function readSpec(line: string): Kernelspec[] {
  const [name = '', json = ''] = line.split('\t', 2)
  if (!NAME.test(name)) return []
  try {
    const { language, argv } = JSON.parse(json) as { language?: unknown; argv?: unknown }
    const program = Array.isArray(argv) && typeof argv[0] === 'string' ? argv[0] : ''
    if (typeof language !== 'string' || program === '') return []
    return [{ name, language: language.toLowerCase().slice(0, 64), program: program.split('/').at(-1) ?? program }]
  } catch {
    return []
  }
}
