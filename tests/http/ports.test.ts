import { describePorts } from '../support/behaviour/ports.ts'
import { useServer } from '../support/live.ts'

/** The local engine's sandboxes listen on this machine. */
const PORT = 28_410

describePorts(useServer({ engine: 'local' }), PORT)
