import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { restoreBackup, writeBackup } from '../../../src/store/backup.ts'
import { askForBackup, BackupSocket, requireUnused, writeBackupOf } from '../../../src/store/backup-socket.ts'
import { instanceSecret } from '../../../src/store/secret.ts'
import { openStore } from '../../../src/store/store.ts'
import { crashed, cut, fill, folder, open, overwrite } from './data-folder.ts'

function running() {
  const dataDir = folder()
  const store = openStore(dataDir)
  const secret = instanceSecret(dataDir, store.meta)
  const close = () => store.close()
  return {
    dataDir,
    store,
    secret,
    close,
    write: (file: string) => writeBackup(file, secret, (part) => store.copyTo(part)),
  }
}

test('a backup of a living database, written to meanwhile, has all that was there when it began', async () => {
  const { dataDir, store, secret, close, write } = running()
  const ids = fill(store, 400)
  const file = join(folder(), 'backup')
  const writing = write(file)
  fill(store, 20)
  expect((await writing).sizeBytes).toBe(statSync(file).size)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(file, '..'))).toEqual(['backup'])
  close()
  for (const name of readdirSync(dataDir)) rmSync(join(dataDir, name), { recursive: true })
  expect(restoreBackup(file, dataDir).keptAs).toBeNull()
  const restored = open(dataDir)
  expect(restored.found).toEqual({ kind: 'whole' })
  expect(restored.sandboxes.all().map(({ id }) => id)).toEqual(expect.arrayContaining(ids))
  expect(instanceSecret(dataDir, restored.meta)).toEqual(secret)
})

test('a restore keeps what was there, with its secret', async () => {
  const { dataDir, store, close, write } = running()
  fill(store, 3)
  const file = join(folder(), 'backup')
  await write(file)
  fill(store, 2)
  close()
  const before = readFileSync(join(dataDir, 'secret'), 'utf8')
  const { keptAs } = restoreBackup(file, dataDir)
  expect(existsSync(join(dataDir, String(keptAs)))).toBe(true)
  expect(readFileSync(join(dataDir, `${keptAs}.secret`), 'utf8')).toBe(before)
  expect(open(dataDir).sandboxes.all()).toHaveLength(3)
})

test('no file is overwritten, and none is half written', async () => {
  const { write, close } = running()
  onTestFinished(close)
  const place = folder()
  writeFileSync(join(place, 'taken'), 'mine')
  await expect(write(join(place, 'taken'))).rejects.toThrow('exists already')
  await expect(write(join(place, 'no', 'folder'))).rejects.toThrow("can't be written")
  await expect(writeBackup(join(place, 'cut'), Buffer.alloc(3), async () => undefined)).rejects.toThrow(
    'not a whole backup',
  )
  expect(readdirSync(place)).toEqual(['taken'])
})

test('what is no whole backup changes nothing', async () => {
  const { dataDir, store, close, write } = running()
  fill(store, 100)
  const place = folder()
  const file = join(place, 'backup')
  await write(file)
  close()
  const before = readdirSync(dataDir)
  overwrite(place, 'backup', 20_000, Buffer.alloc(8000, 7))
  expect(() => restoreBackup(file, dataDir)).toThrow('not a whole backup')
  cut(place, 100, 'backup')
  expect(() => restoreBackup(file, dataDir)).toThrow('not a whole backup')
  expect(() => restoreBackup(join(dataDir, 'k2.db'), dataDir)).toThrow('not a whole backup')
  expect(() => restoreBackup(join(place, 'none'), dataDir)).toThrow('does not exist')
  expect(readdirSync(dataDir)).toEqual(before)
})

test('a server that runs makes it when it is asked; nobody restores under it', async () => {
  const { dataDir, store, close, write } = running()
  const file = join(folder(), 'backup')
  const socket = await BackupSocket.open(dataDir, write)
  onTestFinished(async () => {
    await socket.close()
    close()
  })
  fill(store, 10)
  expect(statSync(join(dataDir, 'backup.sock')).mode & 0o777).toBe(0o600)
  const answers = await Promise.all([askForBackup(dataDir, file), askForBackup(dataDir, `${file}-2`)])
  expect(answers).toEqual([{ sizeBytes: statSync(file).size }, { sizeBytes: statSync(`${file}-2`).size }])
  expect(await askForBackup(dataDir, file)).toEqual({ error: expect.stringContaining('exists already') })
  expect(await askForBackup(dataDir, 'relative')).toEqual({ error: expect.stringContaining('absolute') })
  await expect(requireUnused(dataDir)).rejects.toThrow('stop it first')
  await expect(writeBackupOf(dataDir, `${file}-3`)).rejects.toThrow('in use by another server')
})

test('where no server runs it is made of the folder, after a crash too, and the next start finds all whole', async () => {
  const { dataDir, ids, later } = crashed()
  const file = join(folder(), 'backup')
  expect(await askForBackup(dataDir, file)).toBeNull()
  await writeBackupOf(dataDir, file)
  const store = open(dataDir)
  expect(store.found).toEqual({ kind: 'whole' })
  expect(store.sandboxes.all()).toHaveLength(ids.length + later.length)
})
