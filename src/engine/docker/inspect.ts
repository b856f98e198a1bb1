import type { ContainerInspectInfo } from 'dockerode'
import { SandboxError } from '../../errors.ts'
import type { CallOptions, EngineSandbox, EngineStatus } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { type Identity, LABEL, readLabels } from './labels.ts'

export interface OwnContainer {
  identity: Identity
  ref: string
  /** Names of the networks that it is on, or was made for. */
  networks: string[]
  status: EngineStatus
  exitCode: number | null
  outOfMemory: boolean
}

/** SANDBOX_NOT_FOUND also when the container exists and its labels are not ours. */
export async function inspectContainer(
  context: Context,
  id: string,
  ref: string,
  call: CallOptions,
): Promise<OwnContainer> {
  return (await inspectWhole(context, id, ref, call)).container
}

/** The same with all that the engine says of it. */
export async function inspectWhole(
  context: Context,
  id: string,
  ref: string,
  { signal }: CallOptions,
): Promise<{ container: OwnContainer; info: ContainerInspectInfo }> {
  const { docker, options, timeouts } = context
  const info = await engineCall(
    'container.read',
    (abortSignal) => docker.getContainer(ref).inspect({ abortSignal } as object),
    {
      signal,
      timeoutMs: timeouts.callMs,
      name: id,
    },
  )
  const identity = readLabels(options.secret, info.Config.Labels)
  const status = statusOf(info.State.Status)
  if (identity === null || identity.id !== id || identity.instance !== options.instance || status === null) {
    throw new SandboxError('SANDBOX_NOT_FOUND', `no sandbox ${id} on the engine`)
  }
  return {
    container: {
      identity,
      ref: info.Id,
      networks: networksOf(info.NetworkSettings.Networks, info.HostConfig.NetworkMode),
      status,
      ...ending(info, status),
    },
    info,
  }
}

/** Where it is on none yet, the one of its creation is the one of its start. */
function networksOf(joined: object | undefined, madeFor: string | undefined): string[] {
  const names = Object.keys(joined ?? {})
  return names.length > 0 || madeFor === undefined ? names : [madeFor]
}

function ending(
  { State }: ContainerInspectInfo,
  status: EngineStatus,
): { exitCode: number | null; outOfMemory: boolean } {
  const ended = status === 'stopped'
  return { exitCode: ended ? State.ExitCode : null, outOfMemory: ended && State.OOMKilled }
}

/** States of moby's container/state.go; null: it is as good as gone. */
function statusOf(state: string): EngineStatus | null {
  switch (state) {
    case 'created':
      return 'created'
    case 'running':
    case 'restarting':
      return 'running'
    case 'paused':
      return 'paused'
    case 'exited':
    case 'dead':
      return 'stopped'
    default:
      return null
  }
}

const INSPECTS_AT_ONCE = 4

/** Ids that containers claim for this instance, whether their signature is right or not. */
export async function claimedIds(
  { docker, options, timeouts }: Context,
  { signal }: CallOptions,
): Promise<Set<string>> {
  const label = [`${LABEL.instance}=${options.instance}`]
  const infos = await engineCall(
    'container.read',
    (abortSignal) => docker.listContainers({ all: true, filters: { label }, abortSignal }),
    { signal, timeoutMs: timeouts.callMs },
  )
  return new Set(infos.map((info) => info.Labels[LABEL.id] ?? ''))
}

/** Every container of this instance whose signature is right, of the kinds asked for. */
export async function listContainers(
  context: Context,
  { signal }: CallOptions,
  only?: { id: string },
): Promise<OwnContainer[]> {
  const { docker, options, timeouts } = context
  const label = [`${LABEL.instance}=${options.instance}`, ...(only ? [`${LABEL.id}=${only.id}`] : [])]
  const infos = await engineCall(
    'container.read',
    (abortSignal) => docker.listContainers({ all: true, filters: { label }, abortSignal }),
    { signal, timeoutMs: timeouts.callMs },
  )
  const found: OwnContainer[] = []
  for (const info of infos) {
    const identity = readLabels(options.secret, info.Labels)
    const status = statusOf(info.State)
    if (identity === null || identity.instance !== options.instance || status === null) continue
    found.push({
      identity,
      ref: info.Id,
      networks: networksOf(info.NetworkSettings.Networks, info.HostConfig.NetworkMode),
      status,
      exitCode: null,
      outOfMemory: false,
    })
  }
  return found
}

/** The sandboxes among them, as the port shows them. How a stopped one ended takes a call each: the list does not say. */
export async function listSandboxes(
  context: Context,
  { signal }: CallOptions,
): Promise<{ container: OwnContainer; sandbox: EngineSandbox }[]> {
  const containers = (await listContainers(context, { signal })).filter(({ identity }) => identity.kind === 'sandbox')
  const queue = containers.filter(({ status }) => status === 'stopped')
  const gone = new Set<OwnContainer>()
  const work = async (): Promise<void> => {
    for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
      const { id } = one.identity
      try {
        Object.assign(one, await inspectContainer(context, id, one.ref, { signal }))
      } catch (error) {
        if (!(error instanceof SandboxError) || error.code !== 'SANDBOX_NOT_FOUND') throw error
        gone.add(one)
      }
    }
  }
  await Promise.all(Array.from({ length: INSPECTS_AT_ONCE }, work))
  return containers.filter((one) => !gone.has(one)).map((container) => ({ container, sandbox: asSandbox(container) }))
}

export function asSandbox({ identity, ref, status, exitCode, outOfMemory }: OwnContainer): EngineSandbox {
  return { id: identity.id, ref, status, record: identity.record, exitCode, outOfMemory }
}
