import type { Duplex } from 'node:stream'
import Docker from 'dockerode'
import { extract, pack } from 'tar-stream'

/** The same operations by the Docker API alone, as the baseline of each row. */
export class RawDocker {
  readonly #docker: Docker
  readonly #image: string

  constructor(socketPath: string, image: string) {
    this.#docker = new Docker({ socketPath })
    this.#image = image
  }

  /** create + start of a plain container on the default bridge. */
  async createAndStart(networkMode = 'bridge', image = this.#image): Promise<Docker.Container> {
    const container = await this.#docker.createContainer({
      Image: image,
      Entrypoint: ['sleep', 'infinity'],
      HostConfig: { NetworkMode: networkMode, StopSignal: 'SIGKILL' } as Docker.HostConfig,
      Labels: { 'k2.bench': '1' },
    })
    await container.start()
    return container
  }

  /** Whether the engine has the image. */
  async has(image: string): Promise<boolean> {
    return (await this.#docker.listImages({ filters: { reference: [image] } })).length > 0
  }

  /** An image of its files; paused meanwhile. Its id. */
  async commit(container: Docker.Container): Promise<string> {
    const { Id } = (await container.commit({ pause: true })) as { Id: string }
    return Id
  }

  async removeImage(image: string): Promise<void> {
    await this.#docker.getImage(image).remove({ force: true })
  }

  /** exec create + start, all output read. */
  async exec(container: Docker.Container, argv: string[]): Promise<void> {
    const exec = await container.exec({ Cmd: argv, AttachStdout: true, AttachStderr: true })
    const stream = await exec.start({})
    stream.resume()
    await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject))
  }

  /** The same without waiting for its end. */
  async execDetached(container: Docker.Container, argv: string[]): Promise<void> {
    const exec = await container.exec({ Cmd: argv })
    await exec.start({ Detach: true })
  }

  /** An exec with a terminal, both ways. */
  async terminal(container: Docker.Container, argv: string[]): Promise<Duplex> {
    const exec = await container.exec({
      Cmd: argv,
      Tty: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    })
    return await exec.start({ hijack: true, stdin: true, Tty: true })
  }

  async addressOf(container: Docker.Container): Promise<string> {
    const { NetworkSettings } = await container.inspect()
    return Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? ''
  }

  /** Bytes of the tar of a folder, as `docker cp` reads it. */
  async readTree(container: Docker.Container, path: string): Promise<number> {
    let bytes = 0
    for await (const chunk of await container.getArchive({ path })) bytes += (chunk as Buffer).length
    return bytes
  }

  async writeTree(container: Docker.Container, path: string, tar: Buffer): Promise<void> {
    await container.putArchive(tar, { path })
  }

  async write(container: Docker.Container, path: string, content: Buffer): Promise<void> {
    const archive = pack()
    archive.entry({ name: path.slice(1) }, content)
    archive.finalize()
    await container.putArchive(archive as unknown as NodeJS.ReadableStream, { path: '/' })
  }

  async read(container: Docker.Container, path: string): Promise<number> {
    const stream = await container.getArchive({ path })
    const archive = extract()
    stream.pipe(archive as unknown as NodeJS.WritableStream)
    let bytes = 0
    for await (const entry of archive) for await (const chunk of entry) bytes += (chunk as Buffer).length
    return bytes
  }

  async list(): Promise<number> {
    return (await this.#docker.listContainers({ all: true })).length
  }

  async removeAll(): Promise<void> {
    const left = await this.#docker.listContainers({ all: true, filters: { label: ['k2.bench=1'] } })
    for (const { Id } of left) await this.#docker.getContainer(Id).remove({ force: true, v: true })
  }

  /** Containers of a server's instance. */
  async ofInstance(instance: string): Promise<Docker.ContainerInfo[]> {
    return this.#docker.listContainers({ all: true, filters: { label: [`k2.instance=${instance}`] } })
  }

  /** What is left of a server's instance, its network with it. */
  async removeOfInstance(instance: string): Promise<void> {
    for (const { Id } of await this.ofInstance(instance))
      await this.#docker.getContainer(Id).remove({ force: true, v: true })
    await this.removeNetwork(instance)
  }

  /** The host's process id of a container's PID 1. */
  async pidOf(containerId: string): Promise<number> {
    return (await this.#docker.getContainer(containerId).inspect()).State.Pid
  }

  /** A server leaves its network for its next start; after a bench there is none. */
  async removeNetwork(instance: string): Promise<void> {
    await this.#docker.getNetwork(`k2-${instance}`).remove()
  }
}
