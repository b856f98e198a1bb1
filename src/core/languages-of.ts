import { SandboxError } from '../errors.ts'
import type { Kernels } from './kernels.ts'
import type { Language } from './languages/language.ts'
import { DEFAULT_LANGUAGE, findLanguage, LANGUAGES } from './languages/table.ts'
import type { AvailableLanguage, CallOptions } from './model.ts'
import type { Programs } from './programs.ts'

/** What runs a language in one sandbox. */
export interface Runner {
  /** Of the language, or of the kernel where the server does not know the language. */
  name: string
  /** How its code runs as a file; null: it can't. */
  language: Language | null
  /** Jupyter kernel of the image; null: a driver of ours where the language is stateful, else a file. */
  kernel: string | null
}

/** The languages of each sandbox: those that the server knows how to run, and those that the image has a kernel for. */
export class LanguagesOf {
  readonly #programs: Pick<Programs, 'list'>
  readonly #kernels: Pick<Kernels, 'list' | 'find'>

  constructor(parts: { programs: Pick<Programs, 'list'>; kernels: Pick<Kernels, 'list' | 'find'> }) {
    this.#programs = parts.programs
    this.#kernels = parts.kernels
  }

  /**
   * Our own driver before a kernel, a kernel before a file. Trims, lower-cases and resolves aliases; absent or empty is Python.
   * LANGUAGE_UNAVAILABLE for what neither the server nor the image knows.
   */
  async resolve(id: string, asked: string | undefined, options: CallOptions): Promise<Runner> {
    const name = asked?.trim().toLowerCase() || DEFAULT_LANGUAGE
    const language = findLanguage(name) ?? null
    if (language?.stateful) return { name: language.name, language, kernel: null }
    const names = language ? [language.name, ...(language.aliases ?? [])] : [name]
    const kernel = await this.#kernels.find(id, names, { ...options, again: language === null })
    if (language) return { name: language.name, language, kernel: kernel?.name ?? null }
    if (kernel) return { name: kernel.name, language: null, kernel: kernel.name }
    throw new SandboxError(
      'LANGUAGE_UNAVAILABLE',
      `"${name.slice(0, 64)}" is not a language this server can run, and the sandbox has no kernel for it; ` +
        `the server knows ${LANGUAGES.map((known) => known.name).join(', ')}`,
    )
  }

  /** Asks the image anew each time. */
  async list(id: string, options: CallOptions = {}): Promise<AvailableLanguage[]> {
    const kernels = await this.#kernels.list(id, { ...options, again: true })
    const languages = await this.#programs.list(id, options)
    const known = languages.map((one) => {
      const names = [one.name, ...one.aliases]
      const kernel = one.stateful
        ? undefined
        : kernels.find(({ name, language }) => names.includes(name) || names.includes(language))
      return kernel ? { ...one, stateful: true, kernel: kernel.name } : one
    })
    const others = kernels
      .filter(({ name, language }) => !findLanguage(name.toLowerCase()) && !findLanguage(language))
      .map(({ name, language, program }) => ({
        name,
        aliases: language === name.toLowerCase() ? [] : [language],
        stateful: true,
        program,
        version: null,
        kernel: name,
      }))
    return [...known, ...others]
  }
}
