import type { CodeError } from '../model.ts'

/** A language, and how its code is run once, as a file, without state. */
export interface Language {
  /** As in `language` of a request. */
  name: string
  aliases?: string[]
  /** The agent has a driver for it, which keeps the state of a context: with any of these programs. */
  stateful?: string[]
  /** Name of the file; appears in tracebacks. */
  file: string
  /** Any of these programs in PATH makes the language available; the first that is there is used. */
  programs: string[]
  /** What makes the program say its version, on any stream; absent: `--version`. */
  versionFlag?: string
  /** The arguments that run the file `{script}` with the program that was found. */
  argv: (program: string, code: string) => string[]
  /** Further environment of the run. */
  env?: (context: { cwd: string; env: Record<string, string> }) => Record<string, string>
  /** Reads name, value and traceback from what a failed run wrote to stderr; null when there is nothing to read. */
  parseError?: (stderr: string) => CodeError | null
}

/** `steps` run by a shell that gets the script's path as `$1`: in a folder of its own, where what is built can go too. */
export function shell(steps: string): string[] {
  return ['/bin/sh', '-c', steps, 'sh', '{script}']
}
