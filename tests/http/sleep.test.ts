import { describeSleep } from '../support/behaviour/sleep.ts'
import { useServer } from '../support/live.ts'

describeSleep(useServer({ engine: 'local' }))
