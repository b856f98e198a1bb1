import { join } from 'node:path'
import { requireFreeSpace } from './disk-space.ts'
import { buildImage, contextOf } from './docker-build.ts'
import type { ConnectedEngine } from './docker-engine.ts'
import { hashSources } from './source-hash.ts'
import type { Step } from './step.ts'

/** An image of ours, and what it is made of. */
export interface TemplateImage {
  /** Of its step. */
  name: string
  reference: string
  /** Its own first, then those of the images it builds on: it is rebuilt when one of them changes. */
  folders: [string, ...string[]]
  neededBytes: number
  /** For people. */
  duration: string
}

/** The default template. */
export const BASE_IMAGE: TemplateImage = {
  name: 'base image',
  reference: 'k2data/sandbox-base:latest',
  folders: ['images/base'],
  neededBytes: 3e9,
  duration: 'some minutes',
}

/** More languages; built only when asked for. */
export const FULL_IMAGE: TemplateImage = {
  name: 'full image',
  reference: 'k2data/sandbox-full:latest',
  folders: ['images/full', 'images/base'],
  neededBytes: 8e9,
  duration: 'a few minutes',
}

const HASH_LABEL = 'k2.image.hash'
const CONTEXT = ['Dockerfile', 'packages.lock']
const BUILD_TIMEOUT_MS = 1_800_000

/** Builds the image when the engine has none, or one of another version of its folders. */
export function templateImageStep(image: TemplateImage, engine: () => ConnectedEngine, dataDir: string): Step {
  const { name, reference, folders, neededBytes, duration } = image
  return {
    name,
    run: async (progress) => {
      const { docker } = engine()
      const hash = (await Promise.all(folders.map((folder) => hashSources(folder, CONTEXT)))).join('-')
      if ((await labelOf(engine(), reference)) === hash) return `${reference} already there`
      const { DockerRootDir } = (await docker.info()) as { DockerRootDir: string }
      await requireFreeSpace(DockerRootDir, neededBytes)
      const logPath = join(dataDir, `setup-${name.replace(' ', '-')}.log`)
      progress(`building ${reference} (${duration}; log: ${logPath})`)
      await buildImage(docker, await contextOf(folders[0], CONTEXT), {
        tag: reference,
        labels: { [HASH_LABEL]: hash },
        logPath,
        timeoutMs: BUILD_TIMEOUT_MS,
      })
      return `${reference} built`
    },
  }
}

async function labelOf({ docker }: ConnectedEngine, reference: string): Promise<string | undefined> {
  try {
    const { Config } = await docker.getImage(reference).inspect()
    return Config.Labels?.[HASH_LABEL]
  } catch (thrown) {
    if ((thrown as { statusCode?: number }).statusCode === 404) return undefined
    throw thrown
  }
}
