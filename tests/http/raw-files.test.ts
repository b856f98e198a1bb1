import { describeRawFiles } from '../support/behaviour/raw-files.ts'
import { useServer } from '../support/live.ts'

describeRawFiles(useServer({ engine: 'local' }))
