import { describePools } from '../support/behaviour/pools.ts'
import { useServer } from '../support/live.ts'

describePools(useServer({ engine: 'local', settings: { K2_POOL_SIZE: '2' } }))
