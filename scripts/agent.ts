/** `npm run agent`: the static agent for both architectures that sandboxes run on, each in `build/agent/<hash>/agent`. */
import { buildAgent } from './setup/agent.ts'
import { SetupError } from './setup/problems.ts'

try {
  for (const architecture of ['amd64', 'arm64']) {
    const { words } = await buildAgent({ architecture, engine: null, logFolder: 'build', progress: console.log })
    console.log(words)
  }
} catch (thrown) {
  if (!(thrown instanceof SetupError)) throw thrown
  console.error(thrown.message)
  process.exitCode = 1
}
