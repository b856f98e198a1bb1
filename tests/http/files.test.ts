import { describeFiles } from '../support/behaviour/files.ts'
import { useServer } from '../support/live.ts'

describeFiles(useServer({ engine: 'local' }))
