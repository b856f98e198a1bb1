import { Nullable, Ref, type Static, Type } from './typebox.ts'

export const LanguageInfo = Type.Object(
  {
    name: Type.String({ description: 'What `language` of a call says.' }),
    aliases: Type.Array(Type.String(), { description: 'Other names for it.' }),
    stateful: Type.Boolean({
      description: 'Its code runs in contexts and keeps its state; else each run is a program of its own.',
    }),
    program: Type.String({ description: 'The interpreter or compiler of the image that runs it.' }),
    version: Nullable(Type.String(), { description: 'Version of `program`; null when it does not say.' }),
    kernel: Nullable(Type.String(), {
      description: 'Jupyter kernel of the image that keeps its state; null when it needs none, or has no state.',
    }),
  },
  { $id: 'LanguageInfo', description: 'A language that a sandbox can run.' },
)
export type LanguageInfo = Static<typeof LanguageInfo>

export const LanguageList = Type.Object(
  { languages: Type.Array(Ref(LanguageInfo), { description: 'Those with contexts first.' }) },
  { $id: 'LanguageList', description: 'What code a sandbox can run, by what its image holds.' },
)
export type LanguageList = Static<typeof LanguageList>
