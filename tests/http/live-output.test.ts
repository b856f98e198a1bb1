import { describeLiveOutput } from '../support/behaviour/live-output.ts'
import { useServer } from '../support/live.ts'

describeLiveOutput(useServer({ engine: 'local' }))
