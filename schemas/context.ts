import { ContextId, cwd, envs, Language, Timestamp, user } from './common.ts'
import { Ref, type Static, StringEnum, Type } from './typebox.ts'

export const ContextCreate = Type.Object(
  {
    language: Type.Optional(
      Language('`python` (default), `javascript`, `typescript` or `bash`; case does not matter.'),
    ),
    cwd: Type.Optional(cwd("Folder that its interpreter starts in. Empty or absent: the sandbox's.")),
    envs: Type.Optional(envs("Environment on top of the sandbox's, for all of its runs.")),
    user: Type.Optional(user("Who runs it. Absent: the sandbox's user.")),
  },
  { $id: 'ContextCreate', description: 'A context to make. Everything has a default; null is the same as absent.' },
)
export type ContextCreate = Static<typeof ContextCreate>

export const Context = Type.Object(
  {
    context_id: ContextId,
    language: Type.String({ description: 'The language that it runs.' }),
    version: Type.String({
      description: 'Version of the interpreter (of Node for TypeScript), as it says itself; empty while it starts.',
    }),
    cwd: Type.String({ description: 'Folder that its interpreter was started in.' }),
    user: Type.String({ description: 'Who runs it.' }),
    state: StringEnum(['starting', 'idle', 'busy', 'dead'], {
      description: '`busy`: code is running. `dead`: its interpreter has ended; the next run starts another.',
    }),
    created_at: Timestamp('When it was made.'),
    run_count: Type.Integer({ description: 'Runs that were begun in it.' }),
    restart_count: Type.Integer({ description: 'How often its interpreter was replaced, and its state lost.' }),
  },
  {
    $id: 'Context',
    description: 'A running interpreter: variables, imports and the working directory live on from run to run.',
  },
)
export type Context = Static<typeof Context>

export const ContextList = Type.Object(
  { contexts: Type.Array(Ref(Context), { description: 'Oldest first.' }) },
  { $id: 'ContextList', description: 'Contexts of a sandbox.' },
)
export type ContextList = Static<typeof ContextList>

export const ContextDeleted = Type.Object(
  {
    context_id: ContextId,
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'ContextDeleted', description: 'The context is gone, with what ran in it.' },
)
export type ContextDeleted = Static<typeof ContextDeleted>
