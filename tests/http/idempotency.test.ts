import { describeIdempotency } from '../support/behaviour/idempotency.ts'
import { useServer } from '../support/live.ts'

describeIdempotency(useServer({ engine: 'local' }))
