import { describeLifecycle } from '../support/behaviour/lifecycle.ts'
import { useServer } from '../support/live.ts'

describeLifecycle(useServer({ engine: 'local' }))
