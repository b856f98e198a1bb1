import { existsSync } from 'node:fs'
import { mkdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { buildAgentInContainer } from './agent-in-container.ts'
import type { ConnectedEngine } from './docker-engine.ts'
import { findGo, type GoToolchain } from './go-toolchain.ts'
import { describeFullDisk, isDiskFull, SetupError } from './problems.ts'
import { runProgram } from './run-program.ts'
import { hashSources, listSources } from './source-hash.ts'
import type { Step } from './step.ts'

const AGENT_SOURCES = 'agent'
const BUILDS = 'build/agent'
const BUILD_TIMEOUT_MS = 300_000

export interface AgentBuild {
  /** As Go names it. */
  architecture: string
  /** The engine to build in when this machine has no Go that is new enough. */
  engine: ConnectedEngine | null
  logFolder: string
  progress: (words: string) => void
}

/** Builds the agent for the engine's architecture and points `build/agent/current` at it. */
export function agentStep(engine: () => ConnectedEngine | null, dataDir: string): Step {
  return {
    name: 'agent',
    run: async (progress) => {
      const connected = engine()
      const architecture = connected?.architecture ?? hostArchitecture()
      const { folder, words } = await buildAgent({ architecture, engine: connected, logFolder: dataDir, progress })
      await pointCurrentAt(folder)
      return words
    },
  }
}

/** The static agent in `build/agent/<hash>/agent`, built when it is not there. Throws SetupError. */
export async function buildAgent({
  architecture,
  engine,
  logFolder,
  progress,
}: AgentBuild): Promise<{ folder: string; words: string }> {
  const go = await findGo()
  const sources = await agentSources()
  const builder = go?.version ?? 'container'
  const hash = await hashSources(AGENT_SOURCES, sources, [architecture, builder])
  const path = join(BUILDS, hash, 'agent')
  if (existsSync(path)) return { folder: hash, words: `${path} already there` }

  const making = join(BUILDS, `${hash}.${process.pid}`)
  await mkdir(making, { recursive: true })
  try {
    if (go) await buildWithGo(go, architecture, join(making, 'agent'))
    else if (engine)
      await buildAgentInContainer({
        engine,
        folder: AGENT_SOURCES,
        sources,
        target: join(making, 'agent'),
        logFolder,
        progress,
      })
    else
      throw new SetupError(
        'The agent has to be built and there is no Go 1.24 or later here: install it (go.dev/dl), then run this again.',
      )
    await rm(join(BUILDS, hash), { recursive: true, force: true })
    await rename(making, join(BUILDS, hash))
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return { folder: hash, words: `${path} built for ${architecture} (${go ? go.version : 'in a container'})` }
}

/** What the binary depends on: Go files (tests left out), go.mod, go.sum and whatever is embedded beside them. */
async function agentSources(): Promise<string[]> {
  const sources = await listSources(
    AGENT_SOURCES,
    (name) => !name.endsWith('_test.go') && !/(^|\/)testdata\//.test(name) && !name.endsWith('.md'),
  )
  if (sources.includes('go.mod')) return sources
  throw new SetupError('agent/go.mod is missing: this checkout is not complete; clone the repository again.')
}

async function buildWithGo(go: GoToolchain, architecture: string, target: string): Promise<void> {
  const argv = [
    go.path,
    'build',
    '-C',
    AGENT_SOURCES,
    '-buildvcs=false',
    '-trimpath',
    '-ldflags=-s -w',
    '-o',
    join(process.cwd(), target),
    './cmd/agent',
  ]
  const env = { ...process.env, CGO_ENABLED: '0', GOOS: 'linux', GOARCH: architecture }
  const { exitCode, stderr } = await runProgram(argv, { timeoutMs: BUILD_TIMEOUT_MS, env })
  if (exitCode === 0) return
  if (isDiskFull(stderr)) throw new SetupError(describeFullDisk('building the agent'))
  console.error(stderr.trimEnd())
  throw new SetupError('The agent does not compile: the compiler says why above.')
}

/** The server injects `build/agent/current/agent` (src/main.ts); the link is replaced in one step. */
async function pointCurrentAt(folder: string): Promise<void> {
  const link = join(BUILDS, `current.${process.pid}`)
  await rm(link, { force: true })
  await symlink(folder, link)
  await rename(link, join(BUILDS, 'current'))
}

function hostArchitecture(): string {
  return { x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm' }[process.arch as string] ?? process.arch
}
