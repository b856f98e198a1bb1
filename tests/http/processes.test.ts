import { describeProcesses } from '../support/behaviour/processes.ts'
import { useServer } from '../support/live.ts'

describeProcesses(useServer({ engine: 'local' }))
