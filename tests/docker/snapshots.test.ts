import { describeSnapshots } from '../support/behaviour/snapshots.ts'
import { useServer } from '../support/live.ts'

describeSnapshots(useServer({ settings: { K2_DEFAULT_TEMPLATE: 'debian:trixie-slim' } }))
