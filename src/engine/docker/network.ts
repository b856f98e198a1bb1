import { SandboxError } from '../../errors.ts'
import type { CallOptions } from '../types.ts'
import { engineCall, statusOf } from './calls.ts'
import type { Context } from './context.ts'
import { LABEL } from './labels.ts'

const ICC = 'com.docker.network.bridge.enable_icc'

export function networkName(instance: string): string {
  return `k2-${instance}`
}

/**
 * Our bridge for `network: internet`: sandboxes on it reach the internet and not each other (icc off). Made when missing;
 * true when it had to be. Throws NOT_SUPPORTED_BY_ENGINE when a network of that name is something else: a plain bridge
 * must never be used in its place.
 */
export async function ensureNetwork(context: Context, { signal }: CallOptions): Promise<boolean> {
  const { docker, options, timeouts } = context
  const name = networkName(options.instance)
  const call = { signal, timeoutMs: timeouts.callMs, name }
  if (await isThere(context, name, call)) return false
  try {
    await engineCall(
      'network',
      (abortSignal) =>
        docker.createNetwork({
          Name: name,
          Driver: 'bridge',
          CheckDuplicate: true,
          EnableIPv6: false,
          Options: { [ICC]: 'false' },
          Labels: { [LABEL.instance]: options.instance },
          abortSignal,
        }),
      { ...call, timeoutMs: timeouts.changeMs },
    )
  } catch (error) {
    const conflict = error instanceof SandboxError && statusOf(error.cause) === 409
    if (!conflict || !(await isThere(context, name, call))) throw error
  }
  return true
}

async function isThere(
  { docker, options }: Context,
  name: string,
  call: { signal?: AbortSignal | undefined; timeoutMs: number },
): Promise<boolean> {
  const filters = { name: [name] }
  const networks = await engineCall('network', (abortSignal) => docker.listNetworks({ filters, abortSignal }), call)
  // The filter matches parts of names.
  const network = networks.find((one) => one.Name === name)
  if (network === undefined) return false
  const ours = network.Labels?.[LABEL.instance] === options.instance
  if (!ours || network.Driver !== 'bridge' || network.Options?.[ICC] !== 'false') {
    throw new SandboxError(
      'NOT_SUPPORTED_BY_ENGINE',
      `a network ${name} exists that this server did not make; remove it or choose another instance name`,
    )
  }
  return true
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
