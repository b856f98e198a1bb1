import type { KeyedLock } from '../../lib/keyed-lock.ts'
import type { Contexts } from '../contexts.ts'
import { type DiscardParts, discard } from '../discard.ts'
import type { Language } from '../languages/language.ts'
import { findLanguage } from '../languages/table.ts'
import { launch } from '../launch.ts'
import type { CallOptions } from '../model.ts'
import { newRecord, type SandboxRules } from '../new-record.ts'
import type { SandboxRecord } from '../record.ts'
import type { StartParts } from '../start.ts'
import { type TemplateRegistry, withDefaults } from '../templates/template-registry.ts'
import type { PoolDefinition } from './definition.ts'

export interface FillParts extends StartParts, DiscardParts {
  contexts: Contexts
  locks: KeyedLock
  rules: SandboxRules
  fingerprint: string
  templates: TemplateRegistry
}

/** Makes one sandbox for a pool; it is `ready` when this resolves. Leaves nothing behind when it throws. */
export async function fill(
  parts: FillParts,
  { name, template: reference, network, resources, prestart }: PoolDefinition,
  { signal }: CallOptions,
): Promise<SandboxRecord> {
  const { templates, registry, locks, clock, startTimeoutMs, contexts, fingerprint } = parts
  const { template, defaults, startup } = await templates.resolve(reference, { signal })
  const made = { ...newRecord(withDefaults({ network }, defaults), template, parts.rules, clock.now()), startup }
  const asked = { cwd: made.cwd, user: made.user }
  const pooled = { pool: name, fingerprint, asked, fixed: null, prestarted: [] as string[] }
  const record: SandboxRecord = { ...made, resources, status: 'warming', pooled }
  registry.add(record)
  try {
    await locks.run(record.id, async () => {
      const how = { kind: 'new', template } as const
      const { fixed, ...launched } = await launch({ ...parts, record, how, timeoutMs: startTimeoutMs }, { signal })
      Object.assign(record, launched)
      for (const language of languagesOf(prestart)) {
        if (await contexts.prestart(record, language)) pooled.prestarted.push(language.name)
      }
      signal?.throwIfAborted()
      // Removed while it was made: whoever did that takes care of it.
      if (record.status === 'warming')
        registry.update(record.id, { ...launched, status: 'ready', pooled: { ...pooled, fixed } })
    })
    return record
  } catch (error) {
    if (record.status === 'warming') discard(parts, record, 'pool')
    throw error
  }
}

export function languagesOf(names: string[]): Language[] {
  return names.map(findLanguage).filter((language) => language !== undefined)
}
