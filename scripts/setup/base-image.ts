import { join } from 'node:path'
import { requireFreeSpace } from './disk-space.ts'
import { buildImage, contextOf } from './docker-build.ts'
import type { ConnectedEngine } from './docker-engine.ts'
import { hashSources } from './source-hash.ts'
import type { Step } from './step.ts'

export const BASE_IMAGE = 'k2data/sandbox-base:latest'
const HASH_LABEL = 'k2.image.hash'
const FOLDER = 'images/base'
const CONTEXT = ['Dockerfile']

const NEEDED_BYTES = 3e9
const BUILD_TIMEOUT_MS = 1_800_000

/** The default template, built from images/base when the engine has none or one of another version of that folder. */
export function baseImageStep(engine: () => ConnectedEngine, dataDir: string): Step {
  return {
    name: 'base image',
    run: async (progress) => {
      const { docker } = engine()
      const hash = await hashSources(FOLDER, CONTEXT)
      if ((await labelOf(engine())) === hash) return `${BASE_IMAGE} already there`
      const { DockerRootDir } = (await docker.info()) as { DockerRootDir: string }
      await requireFreeSpace(DockerRootDir, NEEDED_BYTES)
      const logPath = join(dataDir, 'setup-base-image.log')
      progress(`building ${BASE_IMAGE} (some minutes; log: ${logPath})`)
      await buildImage(docker, await contextOf(FOLDER, CONTEXT), {
        tag: BASE_IMAGE,
        labels: { [HASH_LABEL]: hash },
        logPath,
        timeoutMs: BUILD_TIMEOUT_MS,
      })
      return `${BASE_IMAGE} built`
    },
  }
}

async function labelOf({ docker }: ConnectedEngine): Promise<string | undefined> {
  try {
    const { Config } = await docker.getImage(BASE_IMAGE).inspect()
    return Config.Labels?.[HASH_LABEL]
  } catch (thrown) {
    if ((thrown as { statusCode?: number }).statusCode === 404) return undefined
    throw thrown
  }
}
