import { Ref, type Static, Type } from './typebox.ts'

export const Bytes = Type.String({
  $id: 'Bytes',
  format: 'binary',
  description: 'Bytes as they are: the whole body, without any encoding.',
})
export type Bytes = Static<typeof Bytes>

export const FileForm = Type.Object(
  { file: Type.Array(Ref(Bytes), { description: 'Files; the filename of each is its path. Any field name will do.' }) },
  { $id: 'FileForm', description: 'Files as a form.' },
)
export type FileForm = Static<typeof FileForm>
