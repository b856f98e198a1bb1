import { measure } from './measure.ts'
import type { Add, Bench, Extent } from './suite.ts'

const FILE_BYTES = 1024 * 1024

/** Snapshots of a sandbox that has written 1 MiB, what is made of them, and forks. */
export async function snapshots({ client, docker }: Bench, { creates: count }: Extent, add: Add): Promise<void> {
  const id = await client.create({ network: 'none' })
  const content = 'x'.repeat(FILE_BYTES)
  await client.call('POST', `/sandboxes/${id}/filesystem`, { action: 'write', path: '/home/user/data', content })
  const container = await docker.createAndStart('none')
  await docker.write(container, '/home/user/data', Buffer.from(content))
  const taken: string[] = []
  const images: string[] = []
  add(
    await measure('snapshot', { count }, async () => {
      const made = await client.call<{ snapshot_id: string }>('POST', `/sandboxes/${id}/snapshots`)
      taken.push(made.snapshot_id)
    }),
    await measure('docker commit', { count }, async () => images.push(await docker.commit(container))),
  )
  const copies: string[] = []
  add(
    await measure('create of a snapshot', { count }, async () => {
      copies.push(await client.create({ snapshot: taken[0] }))
    }),
    await measure('docker create+start of it', { count }, () => docker.createAndStart('none', images[0])),
  )
  add(
    await measure('fork', { count }, async () => {
      const { sandboxes } = await client.call<{ sandboxes: { sandbox_id: string }[] }>('POST', `/sandboxes/${id}/fork`)
      for (const { sandbox_id } of sandboxes) copies.push(sandbox_id)
    }),
    await measure('docker commit+create+start', { count }, async () => {
      const image = await docker.commit(container)
      images.push(image)
      await docker.createAndStart('none', image)
    }),
  )
  const changes = () => client.call('GET', `/sandboxes/${id}/changes`)
  const few = Math.ceil(count / 4)
  add(
    await measure('changes', { count: few, warmUp: 1 }, changes),
    await measure('docker diff', { count: few, warmUp: 1 }, () => container.changes()),
  )
  for (const one of [id, ...copies]) await client.remove(one)
  for (const one of taken) await client.call('DELETE', `/snapshots/${one}`)
  await docker.removeAll()
  for (const image of images) await docker.removeImage(image)
}
