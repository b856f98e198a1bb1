import { createHash } from 'node:crypto'
import { access, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** Outside git; survives between runs, so a generator is installed once. */
const CACHE = join(import.meta.dirname, '..', '..', 'build', 'clients')

/**
 * A folder with a client generator in it, named after the content of the `pins` files, which lie in it too. Made by
 * `install` when it is not there; one that a cut run left unfinished is made anew.
 */
export async function toolFolder(
  name: string,
  pins: string[],
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const texts = await Promise.all(pins.map((file) => readFile(file)))
  const hash = createHash('sha256').update(Buffer.concat(texts)).digest('hex').slice(0, 12)
  const folder = join(CACHE, `${name}-${hash}`)
  const complete = join(folder, '.complete')
  const isComplete = await access(complete).then(
    () => true,
    () => false,
  )
  if (isComplete) return folder
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const file of pins) await cp(file, join(folder, basename(file)))
  await install(folder)
  await writeFile(complete, '')
  return folder
}
