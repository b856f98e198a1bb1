import { describe } from 'vitest'
import { describeLiveOutput } from '../support/behaviour/live-output.ts'
import { LINKS, useServer } from '../support/live.ts'

describe.each(LINKS)('over the %s link', (link) => describeLiveOutput(useServer({ link })))
