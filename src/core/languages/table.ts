import { type Language, shell } from './language.ts'
import { compilerError, javaError, nodeError, oldNodeError, pythonError, rubyError, shellError } from './tracebacks.ts'

/** `import`, `export` or `await` at the beginning of a line: only a module may have them. */
const MODULE = /^(?:import\b(?!\s*\()|export\b|await\b|(?:const|let|var)\b.*=\s*await\b)/m

/** Node reads the code from its standard input, so that imports and require are found from the working directory. */
const node = (program: string, code: string) =>
  shell(`exec ${program} --input-type=${MODULE.test(code) ? 'module' : 'commonjs'} - <"$1"`)

const ESBUILD = '--loader=ts --format=esm --log-level=warning --sourcefile=main.ts'
const STRIPPED_BY_NODE =
  '--disable-warning=ExperimentalWarning --experimental-strip-types --input-type=module-typescript'

/** Types are erased, not checked. */
function typescript(program: string): string[] {
  switch (program) {
    case 'esbuild':
      return shell(
        `esbuild ${ESBUILD} <"$1" >"$(dirname "$1")/main.mjs" && exec node --input-type=module - <"$(dirname "$1")/main.mjs"`,
      )
    case 'node':
      return shell(`exec node ${STRIPPED_BY_NODE} - <"$1"`)
    case 'deno':
      return ['deno', 'run', '--allow-all', '{script}']
    default:
      return [program, '{script}']
  }
}

/** Compiles into the script's own folder, then becomes the program. */
const compiled = (compiler: string) =>
  shell(`${compiler} -o "$(dirname "$1")/main" "$1" && exec "$(dirname "$1")/main"`)

const interpreter = (program: string) => [program, '{script}']

/** In the order they are listed to the user. */
export const LANGUAGES: Language[] = [
  {
    name: 'python',
    stateful: ['python3', 'python'],
    aliases: ['python3', 'py'],
    file: 'main.py',
    programs: ['python3', 'python'],
    argv: (program) => [program, '-u', '{script}'],
    // A script's own folder comes first on sys.path; imports from the working directory are expected to work as well.
    env: ({ cwd, env }) => ({ PYTHONPATH: env.PYTHONPATH ? `${cwd}:${env.PYTHONPATH}` : cwd }),
    parseError: pythonError,
  },
  {
    name: 'javascript',
    stateful: ['node', 'nodejs'],
    aliases: ['js', 'node'],
    file: 'main.js',
    programs: ['node', 'nodejs'],
    argv: node,
    parseError: nodeError,
  },
  {
    name: 'typescript',
    stateful: ['node', 'nodejs'],
    aliases: ['ts'],
    file: 'main.ts',
    programs: ['esbuild', 'tsx', 'deno', 'node'],
    argv: typescript,
    parseError: (stderr) => oldNodeError(stderr) ?? nodeError(stderr) ?? compilerError(stderr),
  },
  {
    name: 'bash',
    stateful: ['bash'],
    aliases: ['shell'],
    file: 'main.sh',
    programs: ['bash'],
    argv: interpreter,
    parseError: shellError,
  },
  { name: 'sh', file: 'main.sh', programs: ['sh'], argv: interpreter, parseError: shellError },
  {
    name: 'c',
    file: 'main.c',
    programs: ['cc', 'gcc', 'clang'],
    argv: (program) => shell(`${program} -O1 -o "$(dirname "$1")/main" "$1" -lm && exec "$(dirname "$1")/main"`),
    parseError: compilerError,
  },
  {
    name: 'cpp',
    aliases: ['c++'],
    file: 'main.cpp',
    programs: ['c++', 'g++', 'clang++'],
    argv: (program) => compiled(`${program} -O1`),
    parseError: compilerError,
  },
  { name: 'go', file: 'main.go', programs: ['go'], versionFlag: 'version', argv: () => ['go', 'run', '{script}'] },
  {
    name: 'rust',
    file: 'main.rs',
    programs: ['rustc'],
    argv: () => compiled('rustc'),
    parseError: compilerError,
  },
  {
    name: 'java',
    file: 'Main.java',
    programs: ['java'],
    versionFlag: '-version',
    argv: interpreter,
    parseError: javaError,
  },
  { name: 'ruby', aliases: ['rb'], file: 'main.rb', programs: ['ruby'], argv: interpreter, parseError: rubyError },
  { name: 'php', file: 'main.php', programs: ['php'], argv: interpreter },
  { name: 'perl', file: 'main.pl', programs: ['perl'], argv: interpreter },
  {
    name: 'lua',
    file: 'main.lua',
    programs: ['lua', 'lua5.4', 'lua5.3', 'luajit'],
    versionFlag: '-v',
    argv: interpreter,
  },
  { name: 'r', file: 'main.R', programs: ['Rscript'], argv: interpreter },
  {
    name: 'octave',
    aliases: ['matlab'],
    file: 'main.m',
    programs: ['octave-cli', 'octave'],
    argv: (program) => [program, '--quiet', '{script}'],
  },
  {
    name: 'sql',
    aliases: ['sqlite'],
    file: 'main.sql',
    programs: ['sqlite3'],
    // A database in memory, unless the code opens one. Stops at the first error.
    argv: () => shell('exec sqlite3 -batch -bail -box <"$1"'),
  },
  { name: 'julia', file: 'main.jl', programs: ['julia'], argv: interpreter },
]

export const DEFAULT_LANGUAGE = 'python'

/** By its name or an alias, in lower case. */
export function findLanguage(name: string): Language | undefined {
  return LANGUAGES.find((candidate) => candidate.name === name || candidate.aliases?.includes(name))
}
