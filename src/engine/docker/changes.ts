import type { Readable } from 'node:stream'
import { SandboxError } from '../../errors.ts'
import { byPath, tooManyChanges } from '../changes.ts'
import type { CallOptions, FileChange } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { inspectWhole } from './inspect.ts'

/** Some 150,000 paths. */
const ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerChanges */
const KINDS = ['modified', 'added', 'deleted'] as const
const OURS = ['/.k2', '/.k2run']

/** `GET /containers/{id}/changes`: what its writable layer has, deletions included. */
export async function containerChanges(
  context: Context,
  id: string,
  ref: string,
  { signal }: CallOptions,
): Promise<FileChange[]> {
  const { info } = await inspectWhole(context, id, ref, { signal })
  const mounts = [
    ...OURS,
    ...Object.keys(info.HostConfig.Tmpfs ?? {}),
    ...info.Mounts.map(({ Destination }) => Destination),
  ]
  const answer = await engineCall('container.read', (abortSignal) => ask(context, ref, abortSignal), {
    signal,
    timeoutMs: context.timeouts.changeMs,
    name: id,
  })
  const changes: FileChange[] = []
  for (const { Path: path, Kind } of answer) {
    const kind = KINDS[Kind]
    if (kind === undefined || mounts.some((mount) => path === mount || path.startsWith(`${mount}/`))) continue
    changes.push({ path, kind })
  }
  return changes.sort(byPath)
}

interface Change {
  Path: string
  Kind: number
}

/** The library would hold an answer of any size. */
async function ask({ docker }: Context, ref: string, abortSignal: AbortSignal): Promise<Change[]> {
  const options = {
    path: `/containers/${ref}/changes`,
    method: 'GET',
    isStream: true,
    abortSignal,
    statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
  }
  const stream = await new Promise<Readable>((resolve, reject) => {
    docker.modem.dial(options, (error, data) => (error ? reject(error) : resolve(data as Readable)))
  })
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > ANSWER_LIMIT_BYTES) throw tooManyChanges()
    chunks.push(chunk)
  }
  // Nothing changed: the engine says null.
  const changes: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (changes === null) return []
  if (!Array.isArray(changes))
    throw new SandboxError('INTERNAL', 'the engine told changes in a shape that is not its own')
  return changes as Change[]
}
