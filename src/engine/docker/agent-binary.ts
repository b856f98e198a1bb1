import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SandboxError } from '../../errors.ts'

export interface AgentBinary {
  content: Buffer
  /** SHA-256, hex. */
  hash: string
}

/** Throws INTERNAL with the next step when the agent was not built. */
export async function readAgentBinary(path: string): Promise<AgentBinary> {
  const content = await readFile(path).catch((cause: unknown) => {
    throw new SandboxError('INTERNAL', 'the agent is not built; run `npm run setup`', { cause })
  })
  return { content, hash: createHash('sha256').update(content).digest('hex') }
}
