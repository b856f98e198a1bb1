import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import { isSandboxError, SandboxError } from '../../errors.ts'
import type { CallOptions } from '../types.ts'
import type { AgentBinary } from './agent-binary.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { withFiller } from './filler.ts'
import { LABEL } from './labels.ts'

const PREFIX = 'k2-agent-'
const FOLDER = '/.k2'

export function agentVolumeName({ hash }: AgentBinary): string {
  return `${PREFIX}${hash.slice(0, 20)}`
}

/**
 * The volume that holds exactly this agent; made and filled when it is not so. What is in it is read back and hashed each
 * time, so a half-filled or emptied one is never used. Works through a container that is never started. True when the
 * volume had to be filled.
 */
export async function ensureAgentVolume(
  context: Context,
  agent: AgentBinary,
  scratchImage: string,
  { signal }: CallOptions,
): Promise<boolean> {
  const { docker, options, timeouts } = context
  const call = { signal, timeoutMs: timeouts.changeMs }
  const name = agentVolumeName(agent)
  await engineCall(
    'volume',
    (abortSignal) => docker.createVolume({ Name: name, Labels: { [LABEL.instance]: options.instance }, abortSignal }),
    call,
  )
  return await withFiller(
    context,
    { image: scratchImage, volume: name, folder: FOLDER },
    { signal },
    async (filler) => {
      if ((await storedHash(context, filler.id, call)) === agent.hash) return false
      const tar = await packAgent(agent)
      await engineCall(
        'container.archive',
        (abortSignal) => filler.putArchive(tar, { path: FOLDER, abortSignal }),
        call,
      )
      if ((await storedHash(context, filler.id, call)) !== agent.hash) {
        throw new SandboxError(
          'INTERNAL',
          "the agent's volume does not hold what was written to it; look at the engine's disk",
        )
      }
      return true
    },
  )
}

async function packAgent({ content }: AgentBinary): Promise<Buffer> {
  const archive = pack()
  archive.entry({ name: 'agent', mode: 0o555, uid: 0, gid: 0, size: content.length, mtime: new Date(0) }, content)
  archive.finalize()
  return Buffer.concat(await Array.fromAsync(archive as AsyncIterable<Buffer>))
}

/** SHA-256 of the agent in the volume, null when there is none. */
async function storedHash(
  { docker }: Context,
  ref: string,
  call: { signal?: AbortSignal | undefined; timeoutMs: number },
): Promise<string | null> {
  try {
    return await engineCall(
      'container.archive',
      async (abortSignal) => {
        const stream = (await docker.getContainer(ref).getArchive({ path: `${FOLDER}/agent`, abortSignal })) as Readable
        const hash = createHash('sha256')
        const entries = stream.pipe(extract())
        stream.on('error', (error) => entries.destroy(error))
        for await (const entry of entries) for await (const chunk of entry) hash.update(chunk as Buffer)
        return hash.digest('hex')
      },
      call,
    )
  } catch (error) {
    if (isSandboxError(error, 'FILE_NOT_FOUND')) return null
    throw error
  }
}

/** Removes this instance's volumes of other agents that no container uses any more; gives how many. */
export async function removeOldAgentVolumes(
  context: Context,
  agent: AgentBinary,
  { signal }: CallOptions,
): Promise<number> {
  const { docker, options, timeouts, log } = context
  const call = { signal, timeoutMs: timeouts.callMs }
  const filters = JSON.stringify({ label: [`${LABEL.instance}=${options.instance}`], dangling: ['true'] })
  const { Volumes } = await engineCall(
    'volume',
    (abortSignal) => docker.listVolumes({ filters, abortSignal } as object),
    call,
  )
  const current = agentVolumeName(agent)
  let removed = 0
  for (const { Name } of Volumes ?? []) {
    if (!Name.startsWith(PREFIX) || Name === current) continue
    try {
      await engineCall('volume', (abortSignal) => docker.getVolume(Name).remove({ abortSignal }), call)
      removed++
    } catch (error) {
      // In use again since the list was made, or removed by another server: either way not ours to remove.
      log.debug({ err: error, volume: Name }, 'old agent volume not removed')
    }
  }
  return removed
}
