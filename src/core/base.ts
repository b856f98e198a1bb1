import type { Engine, Template } from '../engine/types.ts'
import { isSandboxError, SandboxError } from '../errors.ts'
import type { CallOptions, CreateSandbox } from './model.ts'
import type { SandboxRules } from './new-record.ts'
import type { SandboxRecord } from './record.ts'
import type { SnapshotRecord } from './snapshot-record.ts'
import { lost, type SnapshotRegistry } from './snapshot-registry.ts'
import { type TemplateRegistry, withDefaults } from './templates/template-registry.ts'

/** What a sandbox is to be made of. The image stays until this is disposed. */
export interface Base extends Disposable {
  template: Template
  /** With what the template has, or the snapshot's sandbox had, where it says nothing. */
  request: CreateSandbox
  startup: SandboxRecord['startup']
  copied: Pick<SandboxRecord, 'snapshotId' | 'origin'>
}

export interface BaseParts {
  engine: Engine
  snapshots: SnapshotRegistry
  templates: Pick<TemplateRegistry, 'resolve'>
  rules: SandboxRules
}

/** Of an image or a snapshot. `fork`: the snapshot that one made for itself. TEMPLATE_NOT_FOUND, SNAPSHOT_NOT_FOUND, SNAPSHOT_LOST. */
export async function baseOf(
  { engine, snapshots, templates, rules }: BaseParts,
  request: CreateSandbox,
  { signal, fork }: CallOptions & { fork?: SnapshotRecord | undefined },
): Promise<Base> {
  if (request.template !== undefined && request.snapshot !== undefined)
    throw new SandboxError('INVALID_REQUEST', 'a sandbox is made of a template or of a snapshot; give one of the two')
  const snapshot = fork ?? (request.snapshot === undefined ? null : snapshots.requireReady(request.snapshot))
  if (snapshot === null) {
    const origin = await templates.resolve(request.template ?? rules.defaults.template, { signal })
    const copied = { snapshotId: null, origin: null }
    const { template, defaults, startup } = origin
    return { template, request: withDefaults(request, defaults), startup, copied, [Symbol.dispose]: () => {} }
  }
  const hold = snapshots.hold(snapshot.id)
  try {
    const origin = { sandboxId: snapshot.sandboxId, snapshotId: fork ? null : snapshot.id }
    return {
      template: await templateOf(engine, snapshots, snapshot, { signal }),
      request: withDefaults(request, snapshot.defaults),
      startup: snapshot.startup,
      copied: { snapshotId: snapshot.id, origin },
      [Symbol.dispose]: () => hold[Symbol.dispose](),
    }
  } catch (error) {
    hold[Symbol.dispose]()
    throw error
  }
}

async function templateOf(
  engine: Engine,
  snapshots: SnapshotRegistry,
  snapshot: SnapshotRecord,
  { signal }: CallOptions,
): Promise<Template> {
  try {
    return await engine.resolveImage(snapshot.ref ?? '', snapshot.template, { signal })
  } catch (error) {
    if (!isSandboxError(error, 'TEMPLATE_NOT_FOUND')) throw error
    if (snapshot.status === 'ready') snapshots.update(snapshot.id, { status: 'lost' })
    throw lost(snapshot)
  }
}
