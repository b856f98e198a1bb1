import type Docker from 'dockerode'
import { readOutput } from './read-output.ts'

export interface RunOptions {
  image: string
  argv: string[]
  hostConfig?: Docker.HostConfig
  user?: string
}

export interface RunResult {
  exitCode: number
  /** Standard output and standard error, in the order in which they came. */
  output: string
}

/** Runs a container of the image to its end and removes it: what `docker run --rm` does, for tests of images and profiles. */
export async function runContainer(docker: Docker, { image, argv, hostConfig, user }: RunOptions): Promise<RunResult> {
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: [],
    Cmd: argv,
    Tty: false,
    Labels: { 'k2.instance': 'test-images' },
    HostConfig: { NetworkMode: 'none', ...hostConfig },
    ...(user ? { User: user } : {}),
  })
  try {
    const stream = await container.attach({ stream: true, stdout: true, stderr: true })
    const output = readOutput(stream)
    await container.start()
    const { StatusCode } = (await container.wait()) as { StatusCode: number }
    return { exitCode: StatusCode, output: await output }
  } finally {
    await container.remove({ force: true, v: true })
  }
}
