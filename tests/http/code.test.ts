import { describeCode } from '../support/behaviour/code.ts'
import { useServer } from '../support/live.ts'

describeCode(useServer({ engine: 'local' }))
