import { randomBytes } from 'node:crypto'
import type Docker from 'dockerode'
import type { CallOptions } from '../types.ts'
import { engineCall } from './calls.ts'
import type { Context } from './context.ts'
import { signLabels } from './labels.ts'
import { removeContainer } from './lifecycle.ts'

/** A container that is never started has a volume mounted while `use` works through it; it is gone when this settles. */
export async function withFiller<T>(
  context: Context,
  { image, volume, folder }: { image: string; volume: string; folder: string },
  { signal }: CallOptions,
  use: (filler: Docker.Container) => Promise<T>,
): Promise<T> {
  const { docker, options, timeouts } = context
  const id = `filler${randomBytes(7).toString('hex')}`
  const identity = { kind: 'filler', id, instance: options.instance, link: 'exec', record: '' } as const
  const filler = await engineCall(
    'container.create',
    () =>
      docker.createContainer({
        Image: image,
        Entrypoint: [`${folder}/none`],
        Labels: signLabels(options.secret, identity),
        HostConfig: {
          NetworkMode: 'none',
          LogConfig: { Type: 'none', Config: {} },
          Mounts: [{ Type: 'volume', Source: volume, Target: folder }],
        },
      }),
    { signal, timeoutMs: timeouts.changeMs },
  )
  try {
    return await use(filler)
  } finally {
    await removeContainer(context, id, filler.id, {})
  }
}
