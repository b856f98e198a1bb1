import type { Readable } from 'node:stream'
import type Docker from 'dockerode'
import tar from 'tar-stream'
import { DEBIAN_IMAGE, hasImage } from '../../scripts/setup/debian-base.ts'
import { type BuildContext, buildImage } from '../../scripts/setup/docker-build.ts'
import { BASE_IMAGE } from '../../scripts/setup/template-image.ts'

/** Nothing but one static program: no shell, no /etc/passwd, no /tmp. `/program` prints its arguments; with `fail` it exits 3. */
export const SCRATCH_IMAGE = 'k2test/scratch:latest'

/** Its default user is `app` (1234:1234), its working directory /srv/app, and it brings GREETING in its environment. */
export const USER_IMAGE = 'k2test/user:latest'

/** Everything that an image can say to get at the server: labels like ours, a health check, volumes, an environment for the agent. */
export const HOSTILE_IMAGE = 'k2test/hostile:latest'

/** The base image with IPython's kernel, under names that no driver of ours has: one is interrupted by signals, one by messages. */
export const KERNEL_IMAGE = 'k2test/kernel:latest'

/** The base image with a PostgreSQL server and its client. */
export const POSTGRES_IMAGE = 'k2test/postgres:latest'

/** A sandbox id that the hostile image's labels claim. */
export const HOSTILE_ID = 'aaaaaaaaaaaaaaaaaaaa'

const PROGRAM = `#include <stdio.h>
#include <string.h>
int main(int count, char **values) {
  for (int i = 1; i < count; i++) printf("%s%c", values[i], i + 1 < count ? ' ' : 10);
  return count > 1 && strcmp(values[1], "fail") == 0 ? 3 : 0;
}
`

const SCRATCH = `FROM scratch
COPY program /program
CMD ["/program"]
`

const USER = `FROM ${DEBIAN_IMAGE}
RUN useradd --create-home --uid 1234 app && mkdir /srv/app && chown app:app /srv/app
ENV GREETING=hello
USER app
WORKDIR /srv/app
`

const HOSTILE = `FROM ${DEBIAN_IMAGE}
LABEL k2.id="${HOSTILE_ID}" k2.instance="default" k2.template="evil" k2.created="0" k2.signature="00" k2.managed="1" \
      k2_sandbox_id="${HOSTILE_ID}" extra.evil="1"
ENV LD_PRELOAD=/nonexistent/evil.so LD_LIBRARY_PATH=/nonexistent GODEBUG=http2debug=2 GOMEMLIMIT=1 GOTRACEBACK=crash \
    K2_AGENT_TOKEN=0000000000000000000000000000000000000000000000000000000000000000 PATH=/nonexistent:.
VOLUME ["/data", "/home"]
EXPOSE 1-2000
HEALTHCHECK --interval=1s --timeout=1s --retries=1 CMD ["/bin/sh", "-c", "echo checked >> /checked; exit 1"]
STOPSIGNAL SIGWINCH
USER nobody
WORKDIR /nonexistent
ENTRYPOINT ["/bin/sh", "-c", "echo entrypoint ran; exit 7"]
CMD ["unused"]
`

/** Builds the image when the engine has none of that name. Built images stay until removeTestImages(). */
export async function ensureImage(docker: Docker, image: string): Promise<string> {
  if (!(await hasImage(docker, image))) await buildImage(docker, await contextOf(docker, image), options(image))
  return image
}

const kernelspec = (name: string, more: object = {}) => {
  const argv = ['python3', '-m', 'ipykernel_launcher', '-f', '{connection_file}']
  const spec = JSON.stringify({ argv, language: 'python', display_name: name, env: { OF_SPEC: 'spec' }, ...more })
  const folder = `/usr/local/share/jupyter/kernels/${name}`
  return `mkdir -p ${folder} && echo '${spec}' > ${folder}/kernel.json`
}

const KERNEL = `FROM ${BASE_IMAGE.reference}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends python3-ipykernel && rm -rf /var/lib/apt/lists/*
RUN ${kernelspec('ipython')} && ${kernelspec('by-message', { interrupt_mode: 'message' })} && ${kernelspec('unheard-of', { language: 'unheard-of' })}
RUN mkdir -p /usr/local/share/jupyter/kernels/broken && echo '{"argv": ["false"], "language": "broken"}' > /usr/local/share/jupyter/kernels/broken/kernel.json
USER user
`

const POSTGRES = `FROM ${BASE_IMAGE.reference}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
USER user
`

async function contextOf(docker: Docker, image: string): Promise<BuildContext> {
  if (image === POSTGRES_IMAGE) return new Map([['Dockerfile', POSTGRES]])
  if (image === KERNEL_IMAGE) return new Map([['Dockerfile', KERNEL]])
  if (image === USER_IMAGE) return new Map([['Dockerfile', USER]])
  if (image === HOSTILE_IMAGE) return new Map([['Dockerfile', HOSTILE]])
  if (image === SCRATCH_IMAGE) {
    return new Map<string, string | Buffer>([
      ['Dockerfile', SCRATCH],
      ['program', await compileProgram(docker)],
    ])
  }
  throw new Error(`${image} is not one of the test images`)
}

function options(image: string) {
  const name = image.replace(/\W/g, '-')
  return { tag: image, logPath: `build/tests/${name}.log`, timeoutMs: 300_000 }
}

/** A static program, compiled in the base image, so that neither Go nor a mirror is needed. */
async function compileProgram(docker: Docker): Promise<Buffer> {
  const container = await docker.createContainer({
    Image: BASE_IMAGE.reference,
    Cmd: ['sh', '-c', 'printf %s "$SOURCE" > program.c && gcc -static -O2 -s -o program program.c'],
    Env: [`SOURCE=${PROGRAM}`],
    Labels: { 'k2.instance': 'test-images' },
    HostConfig: { NetworkMode: 'none' },
  })
  try {
    await container.start()
    const { StatusCode } = (await container.wait()) as { StatusCode: number }
    if (StatusCode !== 0) throw new Error(`the program of ${SCRATCH_IMAGE} did not compile`)
    return await onlyFile((await container.getArchive({ path: '/home/user/program' })) as Readable)
  } finally {
    await container.remove({ force: true })
  }
}

async function onlyFile(archive: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const entry of archive.pipe(tar.extract())) {
    for await (const chunk of entry) chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

/** Removes every image tagged `k2test/…`. The base images stay: they cost minutes. */
export async function removeTestImages(docker: Docker): Promise<void> {
  const images = await docker.listImages({ filters: { reference: ['k2test/*'] } })
  for (const tag of images.flatMap((image) => image.RepoTags ?? [])) {
    if (tag.startsWith('k2test/')) await docker.getImage(tag).remove({ force: true })
  }
}
