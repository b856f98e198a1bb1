import { describeContexts } from '../support/behaviour/contexts.ts'
import { useServer } from '../support/live.ts'

describeContexts(useServer({ engine: 'local' }))
