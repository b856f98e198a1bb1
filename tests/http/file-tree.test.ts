import { describeFileTree } from '../support/behaviour/file-tree.ts'
import { useServer } from '../support/live.ts'

describeFileTree(useServer({ engine: 'local' }))
