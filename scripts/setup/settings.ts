import { type Config, ConfigError, readConfig } from '../../src/config.ts'
import { SetupError } from './problems.ts'

/** What the set-up steps need to know of the server's settings, and of the machine. */
export interface SetupSettings {
  engine: Config['engine']
  /** `unix:///path` or `tcp://host:port`. */
  dockerHost: string
  /** True when someone named the engine: then nothing is installed or started in its place. */
  dockerHostGiven: boolean
  dataDir: string
  /** The operator's own agent; empty: the one that set-up builds. */
  agentBinary: string
  defaultTemplate: string
  /** Also the image with more languages: flag `--full`. */
  fullImage: boolean
}

const FULL = '--full'

/** The one reader of the environment for set-up: the server's own settings, from `K2_*` and from its flags. Throws SetupError. */
export function readSetupSettings(env: NodeJS.ProcessEnv, allFlags: string[]): SetupSettings {
  const flags = allFlags.filter((flag) => flag !== FULL)
  try {
    const config = readConfig(env, flags)
    return {
      engine: config.engine,
      dockerHost: config.dockerHost,
      dockerHostGiven: config.dockerHost !== readConfig({}, []).dockerHost,
      dataDir: config.dataDir,
      agentBinary: config.agentBinary,
      defaultTemplate: config.defaults.template,
      fullImage: allFlags.includes(FULL),
    }
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw new SetupError(thrown.message)
    throw thrown
  }
}
