import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import { DEBIAN_IMAGE } from './debian-base.ts'
import { type BuildContext, buildImage, contextOf } from './docker-build.ts'
import type { ConnectedEngine } from './docker-engine.ts'

const IMAGE = 'k2-agent-build:latest'
const BUILD_TIMEOUT_MS = 900_000

const DOCKERFILE = `FROM ${DEBIAN_IMAGE}
RUN apt-get update && apt-get install -y --no-install-recommends golang-go
COPY source /source
RUN CGO_ENABLED=0 GOTOOLCHAIN=local go build -C /source -buildvcs=false -trimpath -ldflags='-s -w' -o /agent ./cmd/agent
`

export interface ContainerBuild {
  engine: ConnectedEngine
  folder: string
  /** Relative to `folder`. */
  sources: string[]
  /** Where the binary goes. */
  target: string
  logFolder: string
  progress: (words: string) => void
}

/** Builds the agent with Debian's Go where this machine has none, for the engine's own architecture. Leaves no image behind. */
export async function buildAgentInContainer(build: ContainerBuild): Promise<void> {
  const { engine, folder, sources, target, logFolder, progress } = build
  const { docker } = engine
  const logPath = join(logFolder, 'setup-agent.log')
  progress(`no Go 1.24 or later here: building in a container (about a minute; log: ${logPath})`)
  const files = await contextOf(folder, sources)
  const context: BuildContext = new Map([['Dockerfile', DOCKERFILE]])
  for (const [name, content] of files) context.set(`source/${name}`, content)
  await buildImage(docker, context, { tag: IMAGE, logPath, timeoutMs: BUILD_TIMEOUT_MS })
  try {
    const container = await docker.createContainer({ Image: IMAGE, Cmd: ['/agent'] })
    try {
      await extractOne((await container.getArchive({ path: '/agent' })) as Readable, target)
    } finally {
      await container.remove({ force: true })
    }
  } finally {
    await docker.getImage(IMAGE).remove({ force: true })
  }
}

/** Writes the only file of a tar to `target`, executable. */
async function extractOne(archive: Readable, target: string): Promise<void> {
  const extract = tar.extract()
  extract.on('entry', (_header, content, next) => {
    pipeline(content, createWriteStream(target, { mode: 0o755 })).then(() => next(), next)
  })
  await pipeline(archive, extract)
}
