import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { SandboxRecord } from '../../../src/core/record.ts'
import { newSandboxId } from '../../../src/lib/ids.ts'
import { openStore, type Store } from '../../../src/store/store.ts'

export function record(change: Partial<SandboxRecord> = {}): SandboxRecord {
  return {
    id: newSandboxId(),
    name: null,
    status: 'running',
    reason: null,
    stopping: false,
    pausing: false,
    ref: 'a'.repeat(64),
    snapshotId: null,
    origin: null,
    template: 'k2data/sandbox-base:latest',
    imageId: 'sha256:0',
    imageEnv: { LANG: 'C.UTF-8' },
    cwd: '/home/user',
    user: 'user',
    identity: { uid: 1000, gid: 1000 },
    envs: {},
    metadata: {},
    resources: { cpus: 1, memoryMb: 1024, pids: 512, diskMb: null },
    changingTo: null,
    network: 'internet',
    networkMoved: false,
    egress: null,
    startup: null,
    volumes: [],
    timeoutSeconds: 300,
    onTimeout: 'delete',
    autoResume: false,
    maxLifetimeSeconds: null,
    disposable: false,
    deletedBy: null,
    warm: false,
    pooled: null,
    createdAt: 1_700_000_000_000,
    lastActiveAt: 1_700_000_000_000,
    ...change,
  }
}

/** A store in a folder of the test's own, that can be closed and opened again as a restart does. Gone with the test. */
export function temporaryStore(): { store: Store; reopen: () => Store } {
  const folder = mkdtempSync(join(tmpdir(), 'k2-store-'))
  let store = openStore(folder)
  onTestFinished(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
  const reopen = () => {
    store.close()
    store = openStore(folder)
    return store
  }
  return { store, reopen }
}

/** A clock that stands still until it is told. */
export class FakeClock {
  ms = 1_700_000_000_000

  now(): number {
    return this.ms
  }
}

/** For what writes events and is tested without them. */
export const journal = { append() {} }
