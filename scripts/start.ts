/** `npm start`, `npm run dev`: sets up, then becomes the server. `--watch` restarts it when its files change. */
import { SERVER_FLAGS, serverEnvironment } from './server-process.ts'
import { setUpOrExplain } from './setup.ts'

const watch = process.argv.includes('--watch')
const flags = process.argv.slice(2).filter((flag) => flag !== '--watch')
const asksForHelp = flags.includes('--help') || flags.includes('-h')

if (asksForHelp || (await setUpOrExplain(process.env, flags))) becomeServer()
else process.exitCode = 1

/** The same process goes on as the server, so signals and its exit code need no one to pass them on. */
function becomeServer(): void {
  const node = process.execPath
  const watching = watch ? ['--watch', '--watch-path=src', '--watch-path=schemas'] : []
  const args = [...SERVER_FLAGS, ...watching, 'src/main.ts', ...flags]
  if (!process.execve) throw new Error('start with `npm start`: it runs the pinned Node')
  process.execve(node, [node, ...args], serverEnvironment(process.env))
}
