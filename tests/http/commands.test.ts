import { describeCommands } from '../support/behaviour/commands.ts'
import { useServer } from '../support/live.ts'

describeCommands(useServer({ engine: 'local' }))
