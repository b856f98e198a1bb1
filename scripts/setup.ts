/** What has to be there before the server can run, step by step. `npm run setup`; `npm start` and `npm test` run it first. */
import { existsSync } from 'node:fs'
import { agentStep } from './setup/agent.ts'
import { dataFolderStep } from './setup/data-folder.ts'
import { debianBaseStep } from './setup/debian-base.ts'
import { type ConnectedEngine, dockerEngineStep } from './setup/docker-engine.ts'
import { SetupError } from './setup/problems.ts'
import { readSetupSettings, type SetupSettings } from './setup/settings.ts'
import { runSteps, type Step } from './setup/step.ts'
import { BASE_IMAGE, FULL_IMAGE, templateImageStep } from './setup/template-image.ts'

/** Runs all steps that `settings` ask for. Throws SetupError at the first that can't be done. */
export async function setUp(settings: SetupSettings): Promise<void> {
  let engine: ConnectedEngine | null = null
  try {
    await runSteps(
      steps(
        settings,
        () => engine,
        (found) => (engine = found),
      ),
      console.log,
    )
  } finally {
    ;(engine as ConnectedEngine | null)?.close()
  }
}

function steps(
  settings: SetupSettings,
  engine: () => ConnectedEngine | null,
  connected: (engine: ConnectedEngine) => void,
): Step[] {
  const { dataDir } = settings
  const folder = dataFolderStep(dataDir)
  const agent = settings.agentBinary ? ownAgentStep(settings.agentBinary) : agentStep(engine, dataDir)
  if (settings.engine === 'local') return [folder, agent]
  const docker = () => {
    const found = engine()
    if (!found) throw new Error('the engine step comes first')
    return found
  }
  return [
    folder,
    dockerEngineStep(settings, connected),
    debianBaseStep(docker, dataDir),
    agent,
    templateImageStep(BASE_IMAGE, docker, dataDir),
    ...(settings.fullImage ? [templateImageStep(FULL_IMAGE, docker, dataDir)] : []),
  ]
}

function ownAgentStep(path: string): Step {
  return {
    name: 'agent',
    run: async () => {
      if (!existsSync(path))
        throw new SetupError(`K2_AGENT_BINARY names ${path}, which is not there: build it, or unset K2_AGENT_BINARY.`)
      return `${path} (K2_AGENT_BINARY)`
    },
  }
}

/** For scripts: sets up, or prints the one sentence that says what is wrong and returns false. */
export async function setUpOrExplain(env: NodeJS.ProcessEnv, flags: string[]): Promise<boolean> {
  try {
    await setUp(readSetupSettings(env, flags))
    return true
  } catch (thrown) {
    if (!(thrown instanceof SetupError)) throw thrown
    console.error(thrown.message)
    return false
  }
}

if (import.meta.main && !(await setUpOrExplain(process.env, process.argv.slice(2)))) process.exitCode = 1
