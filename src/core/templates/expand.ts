/** What a name stands for; undefined: nothing. */
export type Scope = (name: string) => string | undefined

/** Splits words as a Dockerfile does: quotes keep together, `$NAME`, `${NAME}`, `${NAME:-else}` and `${NAME:+then}` are put in. */
export function expandWords(text: string, scope: Scope): string[] {
  return new Reader(text, scope).words()
}

/** The same as one text: blanks stay as they are. */
export function expandText(text: string, scope: Scope): string {
  return new Reader(text, scope).text()
}

/** Variables only: quotes are as any other character, as in the text of a heredoc. */
export function expandVariables(text: string, scope: Scope): string {
  return new Reader(text, scope).variables()
}

class Reader {
  readonly #text: string
  readonly #scope: Scope
  #at = 0

  constructor(text: string, scope: Scope) {
    this.#text = text
    this.#scope = scope
  }

  words(): string[] {
    const words: string[] = []
    while (this.#at < this.#text.length) {
      if (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
      else words.push(this.#until((char) => /\s/.test(char)))
    }
    return words
  }

  text(): string {
    return this.#until(() => false)
  }

  variables(): string {
    let out = ''
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? ''
      if (char === '$') out += this.#variable()
      else if (char === '\\' && /[$\\]/.test(this.#text[this.#at + 1] ?? '')) out += this.#escaped()
      else out += this.#next()
    }
    return out
  }

  #until(ends: (char: string) => boolean): string {
    let out = ''
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? ''
      if (ends(char)) break
      if (char === "'") out += this.#single()
      else if (char === '"') out += this.#double()
      else if (char === '\\') out += this.#escaped()
      else if (char === '$') out += this.#variable()
      else out += this.#next()
    }
    return out
  }

  #next(): string {
    return this.#text[this.#at++] ?? ''
  }

  #escaped(): string {
    this.#at++
    return this.#next()
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1)
    const inside = this.#text.slice(this.#at + 1, end < 0 ? undefined : end)
    this.#at = end < 0 ? this.#text.length : end + 1
    return inside
  }

  #double(): string {
    this.#at++
    let out = ''
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? ''
      if (char === '"') {
        this.#at++
        break
      }
      if (char === '$') out += this.#variable()
      else if (char === '\\' && /["$\\]/.test(this.#text[this.#at + 1] ?? '')) out += this.#escaped()
      else out += this.#next()
    }
    return out
  }

  #variable(): string {
    const rest = this.#text.slice(this.#at)
    const plain = /^\$([A-Za-z_]\w*)/.exec(rest)
    if (plain) {
      this.#at += plain[0].length
      return this.#scope(plain[1] ?? '') ?? ''
    }
    const braced = /^\$\{([A-Za-z_]\w*)(?:(:?[-+])|(?=\}))/.exec(rest)
    if (!braced) return this.#next()
    this.#at += braced[0].length
    const [, name = '', operator] = braced
    const other = this.#until((char) => char === '}')
    this.#at++
    const value = this.#scope(name)
    const there = operator?.startsWith(':') ? value !== undefined && value !== '' : value !== undefined
    if (operator === undefined) return value ?? ''
    if (operator.endsWith('-')) return there ? (value ?? '') : other
    return there ? other : ''
  }
}
