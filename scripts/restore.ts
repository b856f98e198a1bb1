/** `npm run restore -- FILE`: puts a backup into the data folder. The server must be stopped; what was there is moved aside. */
import { restoreBackup } from '../src/store/backup.ts'
import { requireUnused } from '../src/store/backup-socket.ts'
import { readArguments, sayOrExplain } from './backup/arguments.ts'

await sayOrExplain(async () => {
  const { file, dataDir } = readArguments('restore')
  await requireUnused(dataDir)
  const { keptAs, madeAt } = restoreBackup(file, dataDir)
  const kept = keptAs === null ? '' : `; what was there is kept as ${keptAs}`
  return `${dataDir} has the database and the secret of ${madeAt.toISOString()}${kept}. Start the server: it brings them together with the engine`
})
