import { describeSnapshotRequests, describeSnapshots } from '../support/behaviour/snapshots.ts'
import { useServer } from '../support/live.ts'

const live = useServer({ engine: 'local' })
describeSnapshots(live)
describeSnapshotRequests(live)
