import { type Static, Type } from './typebox.ts'

export const Bytes = Type.String({
  $id: 'Bytes',
  format: 'binary',
  description: 'Bytes as they are: the whole body, without any encoding.',
})
export type Bytes = Static<typeof Bytes>
