import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createDockerClient } from '../../../../src/engine/docker/client.ts'

// docker-modem does exactly this with the options of every request.
test.each([undefined, 'tcp://127.0.0.1:2375', 'https://127.0.0.1:2376'])(
  'describing a request to %s costs nothing of its connections',
  (address) => {
    const { docker, close } = createDockerClient(address)
    const { agent } = docker.modem as unknown as { agent: object }
    expect(inspect({ agent }, { showHidden: true, depth: null })).toBe('{ agent: [connections] }')
    close()
  },
)
