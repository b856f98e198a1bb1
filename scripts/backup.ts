/** `npm run backup -- FILE`: a backup of the server's database and secret, while it runs or not. */
import { askForBackup, writeBackupOf } from '../src/store/backup-socket.ts'
import { readArguments, sayOrExplain } from './backup/arguments.ts'

await sayOrExplain(async () => {
  const { file, dataDir } = readArguments('backup')
  const said = (await askForBackup(dataDir, file)) ?? (await writeBackupOf(dataDir, file))
  if ('error' in said) throw new Error(said.error)
  return `${file} has the database and the secret of ${dataDir} (${Math.ceil(said.sizeBytes / 1024)} KiB); keep it as you would keep a key`
})
