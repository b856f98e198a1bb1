import type Docker from 'dockerode'
import { afterAll, beforeAll } from 'vitest'
import type { SandboxCreate, SandboxResponse } from '../../schemas/sandbox.ts'
import type { Api } from './api.ts'
import { openEngine } from './engine.ts'
import { Server, type ServerOptions } from './server.ts'

/** The two ways to an agent: what depends on it is tested on both. */
export const LINKS = ['dial', 'exec'] as const

export interface Live {
  readonly server: Server
  readonly api: Api
}

/** One server for the tests of the suite it is called in. */
export function useServer(options: ServerOptions = {}): Live {
  let server: Server | undefined
  beforeAll(async () => {
    server = await Server.start(options)
  })
  afterAll(() => server?.dispose())
  return {
    get server() {
      if (!server) throw new Error('the server is there from beforeAll on')
      return server
    },
    get api() {
      return this.server.api
    },
  }
}

/** One sandbox for the tests of the suite it is called in: for tests that leave nothing of theirs in it. */
export function useSandbox(
  live: Live,
  body: SandboxCreate = {},
): { readonly id: string; readonly sandbox: SandboxResponse } {
  let sandbox: SandboxResponse | undefined
  beforeAll(async () => {
    sandbox = await live.api.create(body)
  })
  afterAll(async () => {
    if (sandbox) await live.api.delete(sandbox.sandbox_id)
  })
  return {
    get sandbox() {
      if (!sandbox) throw new Error('the sandbox is there from beforeAll on')
      return sandbox
    },
    get id() {
      return this.sandbox.sandbox_id
    },
  }
}

/** The Docker engine, for the tests of the suite it is called in. */
export function useEngine(): { readonly docker: Docker } {
  const { docker, close } = openEngine()
  afterAll(close)
  return { docker }
}
