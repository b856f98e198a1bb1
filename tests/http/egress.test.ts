import { describeEgress } from '../support/behaviour/egress.ts'
import { useServer } from '../support/live.ts'

describeEgress(useServer({ engine: 'local' }))
