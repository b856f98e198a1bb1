import { randomBytes } from 'node:crypto'
import { SandboxError } from '../../errors.ts'
import { withDeadline } from '../../lib/deadline.ts'
import type { CallOptions } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { signLabels } from './labels.ts'
import { removeContainer } from './lifecycle.ts'
import { watchOutput } from './output-watch.ts'
import { AGENT_PATH } from './spec.ts'

/** What the rules' container is made of: nothing of any image. */
export interface RulesProgram {
  agentVolume: string
  scratchImage: string
  seccompProfile: string | null
}

/** What the agent says after it has installed the rules of a bridge; agent/internal/hostrules. */
export interface RulesState {
  /** There were some already. They are replaced all the same, without a moment between. */
  found: boolean
  /** False: packets between sandboxes do not pass any rule. */
  bridgesFiltered: boolean
}

const MEBIBYTE = 1024 * 1024
const ADDRESSES = 8

/**
 * Installs the rules of our bridge in the engine's own network, wherever that is, by a short-lived container with
 * NET_ADMIN and nothing else. The bridge must exist. Idempotent. Leaves no container. Throws NOT_SUPPORTED_BY_ENGINE with
 * the reason when they can't be installed.
 */
export async function applyHostRules(
  context: Context,
  program: RulesProgram,
  bridge: string,
  call: CallOptions,
): Promise<RulesState> {
  const state = readState(await run(context, program, 'host', ['apply', bridge], call))
  if (!state.loopbackResolver) return state
  // The host asks itself for names (systemd-resolved); which servers containers are given then only a container sees.
  const seen = (await run(context, program, 'bridge', ['resolvers'], call)).split(/\s+/).filter(isIPv4)
  return readState(await run(context, program, 'host', ['apply', bridge, ...seen.slice(0, ADDRESSES)], call))
}

const isIPv4 = (text: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(text)

function readState(output: string): RulesState & { loopbackResolver: boolean } {
  const state = JSON.parse(output) as Record<string, unknown>
  return {
    found: state.found === true,
    bridgesFiltered: state.bridges_filtered === true,
    loopbackResolver: state.loopback_resolver === true,
  }
}

/** What it printed. */
async function run(
  context: Context,
  program: RulesProgram,
  network: 'host' | 'bridge',
  words: string[],
  { signal }: CallOptions,
): Promise<string> {
  const { docker, timeouts } = context
  const id = `rules0${randomBytes(7).toString('hex')}`
  const call = { signal, timeoutMs: timeouts.changeMs, name: id }
  const container = await engineCall(
    'container.create',
    (abortSignal) => docker.createContainer({ ...body(context, program, network, words, id), abortSignal } as object),
    call,
  )
  try {
    const watch = await watchOutput(context, id, container.id, signal)
    try {
      await engineCall('container.start', (abortSignal) => container.start({ abortSignal } as object), call)
      await withDeadline(timeouts.callMs, tooLate, signal, () => watch.ended)
      const { StatusCode } = (await engineCall(
        'container.read',
        (abortSignal) => container.wait({ abortSignal } as object),
        call,
      )) as { StatusCode: number }
      if (StatusCode !== 0) throw refused(reasonOf(watch.text(), StatusCode))
      return watch.text()
    } finally {
      watch.close()
    }
  } catch (error) {
    if (error instanceof SandboxError && error.code === 'SANDBOX_START_FAILED')
      throw refused('the engine did not start a container on its host network', error)
    throw error
  } finally {
    await removeContainer(context, id, container.id, {})
  }
}

function reasonOf(output: string, exitCode: number): string {
  if (output.includes('usage:')) return 'the agent is older than this server; run `npm run setup`'
  return output.replace(/^agent: /, '').slice(0, 500) || `the program that does it ended with ${exitCode}`
}

function body({ options }: Context, program: RulesProgram, network: string, words: string[], id: string): object {
  const { agentVolume, scratchImage, seccompProfile } = program
  return {
    Image: scratchImage,
    Entrypoint: [AGENT_PATH, 'network'],
    Cmd: words,
    Labels: signLabels(options.secret, { kind: 'rules', id, instance: options.instance, link: 'exec', record: '' }),
    HostConfig: {
      NetworkMode: network,
      // Also where the engine remaps users: the host's network belongs to the host's root.
      UsernsMode: 'host',
      CapDrop: ['ALL'],
      CapAdd: network === 'host' ? ['NET_ADMIN'] : [],
      SecurityOpt: ['no-new-privileges:true', ...(seccompProfile === null ? [] : [`seccomp=${seccompProfile}`])],
      ReadonlyRootfs: true,
      Memory: 128 * MEBIBYTE,
      PidsLimit: 128,
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      Mounts: [
        { Type: 'volume', Source: agentVolume, Target: '/.k2', ReadOnly: true, VolumeOptions: { NoCopy: true } },
      ],
    },
  }
}

function tooLate(): SandboxError {
  return new SandboxError('ENGINE_TIMEOUT', 'the rules of the network were not installed in time; try again', {
    details: { retryAfterSeconds: 5 },
  })
}

function refused(reason: string, cause?: unknown): SandboxError {
  return new SandboxError(
    'NOT_SUPPORTED_BY_ENGINE',
    `the rules that keep sandboxes off the host and off private networks can't be installed: ${reason}`,
    { cause },
  )
}
