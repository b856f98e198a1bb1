import { createHash } from 'node:crypto'
import { SandboxError } from '../../errors.ts'
import type { CallOptions, Network } from '../types.ts'
import { engineCall, statusOf } from './calls.ts'
import type { Context } from './context.ts'
import { LABEL } from './labels.ts'

const ICC = 'com.docker.network.bridge.enable_icc'
const BRIDGE = 'com.docker.network.bridge.name'

export function networkName(instance: string): string {
  return `k2-${instance}`
}

/** Name of the interface on the engine's host; the same when the network is made anew, so that its rules hold on. */
function bridgeName(instance: string): string {
  return `k2-${createHash('sha256').update(instance).digest('hex').slice(0, 12)}`
}

export interface OwnNetwork {
  made: boolean
  /** Interface on the engine's host. */
  bridge: string
}

/**
 * Our bridge for `network: internet`: sandboxes on it don't reach each other (icc off); what else they reach is the
 * business of its rules. Made when missing. Throws NOT_SUPPORTED_BY_ENGINE when a network of that name is something
 * else: a plain bridge must never be used in its place.
 */
export async function ensureNetwork(context: Context, { signal }: CallOptions): Promise<OwnNetwork> {
  const { docker, options, timeouts } = context
  const name = networkName(options.instance)
  const call = { signal, timeoutMs: timeouts.callMs, name }
  const there = await find(context, name, call)
  if (there !== null) return there
  const bridge = bridgeName(options.instance)
  try {
    await engineCall(
      'network',
      (abortSignal) =>
        docker.createNetwork({
          Name: name,
          Driver: 'bridge',
          CheckDuplicate: true,
          EnableIPv6: false,
          Options: { [ICC]: 'false', [BRIDGE]: bridge },
          Labels: { [LABEL.instance]: options.instance },
          abortSignal,
        }),
      { ...call, timeoutMs: timeouts.changeMs },
    )
  } catch (error) {
    const conflict = error instanceof SandboxError && statusOf(error.cause) === 409
    const other = conflict ? await find(context, name, call) : null
    if (other === null) throw error
    return other
  }
  return { made: true, bridge }
}

/** Whether a sandbox is on it that runs. */
export async function hasRunning({ docker, options, timeouts }: Context, { signal }: CallOptions): Promise<boolean> {
  const network = docker.getNetwork(networkName(options.instance))
  const call = { signal, timeoutMs: timeouts.callMs }
  const { Containers } = await engineCall('network', () => network.inspect(), call)
  return Object.keys(Containers ?? {}).length > 0
}

async function find(
  { docker, options }: Context,
  name: string,
  call: { signal?: AbortSignal | undefined; timeoutMs: number },
): Promise<OwnNetwork | null> {
  const filters = { name: [name] }
  const networks = await engineCall('network', (abortSignal) => docker.listNetworks({ filters, abortSignal }), call)
  // The filter matches parts of names.
  const network = networks.find((one) => one.Name === name)
  if (network === undefined) return null
  const ours = network.Labels?.[LABEL.instance] === options.instance
  if (!ours || network.Driver !== 'bridge' || network.Options?.[ICC] !== 'false') {
    throw new SandboxError(
      'NOT_SUPPORTED_BY_ENGINE',
      `a network ${name} exists that this server did not make; remove it or choose another instance name`,
    )
  }
  // One that an earlier version made has the engine's name for it.
  return { made: false, bridge: network.Options[BRIDGE] ?? `br-${network.Id.slice(0, 12)}` }
}

/**
 * A stopped container keeps the id of the network it was on, and can't start when that was removed, though there is a new
 * one of the name: joins it to the new one. True when that was so.
 */
export async function rejoinNetwork(
  { docker, options, timeouts }: Context,
  id: string,
  ref: string,
  { signal }: CallOptions,
): Promise<boolean> {
  const name = networkName(options.instance)
  const call = { signal, timeoutMs: timeouts.callMs, name: id }
  const container = docker.getContainer(ref)
  const { NetworkSettings } = await engineCall(
    'container.read',
    (abortSignal) => container.inspect({ abortSignal } as object),
    call,
  )
  const joined = NetworkSettings.Networks[name]?.NetworkID
  if (joined === undefined || joined === '') return false
  const network = docker.getNetwork(name)
  const { Id } = await engineCall('network', () => network.inspect(), call)
  if (Id === joined) return false
  await engineCall(
    'network',
    (abortSignal) => network.disconnect({ Container: ref, Force: true, abortSignal } as object),
    call,
  )
  await engineCall('network', (abortSignal) => network.connect({ Container: ref, abortSignal } as object), call)
  return true
}

/** Joins a container in any state to our bridge or to none, and takes it off all else. The bridge must be there, with its rules. */
export async function moveToNetwork(
  { docker, options, timeouts }: Context,
  id: string,
  ref: string,
  wanted: Network,
  { signal }: CallOptions,
): Promise<void> {
  const call = { signal, timeoutMs: timeouts.changeMs, name: id }
  const container = docker.getContainer(ref)
  const { NetworkSettings } = await engineCall(
    'container.read',
    (abortSignal) => container.inspect({ abortSignal } as object),
    call,
  )
  const target = wanted === 'internet' ? networkName(options.instance) : 'none'
  const joined = Object.keys(NetworkSettings.Networks)
  for (const name of joined.filter((one) => one !== target)) {
    const body = { Container: ref, Force: true }
    try {
      await engineCall(
        'network',
        (abortSignal) => docker.getNetwork(name).disconnect({ ...body, abortSignal } as object),
        call,
      )
    } catch (error) {
      // The network is gone, and its end of the container with it.
      if (!(error instanceof SandboxError) || statusOf(error.cause) !== 404) throw error
    }
  }
  // A container without any would be joined to that of its creation by its next start.
  if (joined.includes(target)) return
  await engineCall(
    'network',
    (abortSignal) => docker.getNetwork(target).connect({ Container: ref, abortSignal } as object),
    call,
  )
}
