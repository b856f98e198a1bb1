/** A check is one program that exits 0 when all is well. Node's programs are found in node_modules/.bin (bootstrap.mjs). */
export interface Check {
  name: string
  argv: string[]
  cwd?: string
  /** gofmt exits 0 and lists what it would change: then any output is a fault. */
  silentWhenFine?: boolean
  /** Checked only when this file exists; printed as skipped otherwise. */
  needs?: string
  /** Needs a Go toolchain on this machine. */
  go?: boolean
}

const STATICCHECK = 'honnef.co/go/tools/cmd/staticcheck@v0.8.2'

/** In the order in which people want to hear of faults: cheap ones first. */
export const CHECKS: Check[] = [
  { name: 'biome', argv: ['biome', 'ci', '--colors=off'] },
  { name: 'types', argv: ['tsc', '--noEmit'] },
  { name: 'unused code', argv: ['knip'] },
  { name: 'openapi.json is current', argv: ['node', 'scripts/openapi.ts', '--check'], needs: 'scripts/openapi.ts' },
  { name: 'openapi lint', argv: ['redocly', 'lint', 'openapi.json'], needs: 'openapi.json' },
  { name: 'seccomp profile is current', argv: ['node', 'scripts/seccomp.ts', '--check'], go: true },
  { name: 'gofmt', argv: ['gofmt', '-l', 'agent', 'scripts/seccomp'], silentWhenFine: true, go: true },
  { name: 'go vet', argv: ['go', 'vet', './...'], cwd: 'agent', go: true },
  { name: 'staticcheck', argv: ['go', 'run', STATICCHECK, './...'], cwd: 'agent', go: true },
]
