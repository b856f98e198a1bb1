/** One step of a recipe, before its variables are put in. Shell text, or a program with its arguments. */
export type Command = string | string[]

export interface InlineFile {
  name: string
  content: string
  /** Variables in it are put in. */
  expand: boolean
}

export type Step =
  | { kind: 'run'; command: Command }
  | { kind: 'copy'; sources: string[]; inline: InlineFile[]; target: string; owner: string | null; mode: number | null }
  | { kind: 'env' | 'label'; pairs: [name: string, value: string][] }
  | { kind: 'arg'; name: string; fallback: string | null }
  | { kind: 'workdir'; path: string }
  | { kind: 'user'; user: string }
  | { kind: 'cmd' | 'entrypoint'; command: Command }
  | { kind: 'expose'; ports: string[] }

/** A step and where it stands. */
export type PlacedStep = Step & {
  /** Of the Dockerfile, from 1; null: it came as JSON. */
  line: number | null
  /** As it was written, in one line. */
  text: string
  /** Its texts are words with quotes and variables, as in a Dockerfile; false: they are what they say. */
  words: boolean
}

/** How a template is made. */
export interface Recipe {
  /** The image or template that it begins with; words of a Dockerfile, whose variables are the global ARGs. */
  from: string
  /** ARGs before FROM, in order. */
  globals: { name: string; fallback: string | null }[]
  steps: PlacedStep[]
}

/** More than any engine can stack, and than anybody writes. */
export const MOST_STEPS = 200
