import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A registry (distribution API v2) on 127.0.0.1 with one image of one empty layer, `test/image:v1`. */
export interface Registry extends AsyncDisposable {
  host: string
  /** Paths that were asked for. */
  requests: string[]
  /** Holds back the layer until it is called. */
  release: () => void
}

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
const EMPTY_TAR = Buffer.alloc(1024)

/** `held`: the layer is not sent before `release`. */
export async function openRegistry({ held = false } = {}): Promise<Registry> {
  const diffId = digestOf(EMPTY_TAR)
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: {
      Env: ['GREETING=hello', 'EMPTY='],
      User: 'app',
      WorkingDir: '/srv',
      Volumes: { '/data': {} },
      Cmd: ['/x'],
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created_by: `test ${Math.random()}` }],
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      size: config.length,
      digest: digestOf(config),
    },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar', size: EMPTY_TAR.length, digest: diffId }],
  })
  const blobs = new Map([config, EMPTY_TAR].map((blob) => [digestOf(blob), blob]))
  const gate = Promise.withResolvers<void>()
  if (!held) gate.resolve()
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    if (path === '/v2/') send(response, 200, 'application/json', Buffer.from('{}'))
    else if (path.startsWith('/v2/private/')) refuse(response, 401, 'UNAUTHORIZED', 'authentication required')
    else if (/^\/v2\/test\/image\/manifests\/(v1|sha256:)/.test(path)) {
      send(response, 200, MANIFEST, manifest, { 'docker-content-digest': digestOf(manifest) })
    } else if (path.startsWith('/v2/test/image/blobs/')) {
      const blob = blobs.get(path.slice('/v2/test/image/blobs/'.length))
      void gate.promise.then(() =>
        blob
          ? send(response, 200, 'application/octet-stream', blob)
          : refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown'),
      )
    } else refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    release: gate.resolve,
    async [Symbol.asyncDispose]() {
      gate.resolve()
      server.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: Buffer,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': body.length, ...headers })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  send(response, status, 'application/json', json({ errors: [{ code, message }] }))
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
