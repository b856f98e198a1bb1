import { describeSnapshots } from '../support/behaviour/snapshots.ts'
import { useServer } from '../support/live.ts'

describeSnapshots(useServer({ engine: 'local' }))
