import { describeTerminals } from '../support/behaviour/terminals.ts'
import { useServer } from '../support/live.ts'

describeTerminals(useServer({ engine: 'local' }))
