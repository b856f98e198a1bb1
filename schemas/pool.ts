import { Resources, ResourcesRequest } from './sandbox.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const POOL_NAME = '^[a-z0-9][a-z0-9_.-]{0,62}$'

export const PoolUpdate = Type.Object(
  {
    template: Type.Optional(
      Type.String({
        maxLength: 255,
        pattern: '^[^\\u0000-\\u0020]*$',
        description: 'Image of its sandboxes, as a create would name it. Empty or absent: the default image.',
      }),
    ),
    size: Type.Integer({
      minimum: 0,
      maximum: 100,
      description: 'How many wait ready. 0: none; those that do are removed.',
    }),
    network: Type.Optional(StringEnum(['internet', 'none'], { description: 'Default `internet`.' })),
    resources: Type.Optional(Ref(ResourcesRequest)),
    prestart: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: 8,
        description: 'Languages whose own contexts run when a sandbox is ready: `python`, `javascript`, …',
      }),
    ),
  },
  { $id: 'PoolUpdate', additionalProperties: false, description: 'What a pool keeps ready.' },
)
export type PoolUpdate = Static<typeof PoolUpdate>

export const PoolInfo = Type.Object(
  {
    name: Type.String({ description: 'Its name; `default` is the one of the settings.' }),
    template: Type.String({ description: 'Image of its sandboxes.' }),
    size: Type.Integer({ description: 'How many should wait.' }),
    network: StringEnum(['internet', 'none'], { description: 'What they can reach.' }),
    resources: Ref(Resources),
    prestart: Type.Array(Type.String(), { description: 'Languages whose own contexts run already.' }),
    ready: Type.Integer({ description: 'How many wait now.' }),
    warming: Type.Integer({ description: 'How many are being made.' }),
    claimed: Type.Integer({ description: 'Creates that it served since the start of the server.' }),
    missed: Type.Integer({ description: 'Creates that came while nothing was ready, and took the long way.' }),
    drained: Type.Boolean({
      description: 'It was not asked for K2_POOL_IDLE seconds, and is empty until the next create.',
    }),
    fault: Nullable(Type.String(), { description: 'Why the last try to make one failed; null when it did not.' }),
  },
  { $id: 'PoolInfo', description: 'A pool, and how it does.' },
)
export type PoolInfo = Static<typeof PoolInfo>

export const PoolList = Type.Object(
  { pools: Type.Array(Ref(PoolInfo), { description: 'All, `default` first.' }) },
  { $id: 'PoolList', description: 'Pools.' },
)
export type PoolList = Static<typeof PoolList>

export const PoolParams = Type.Object({
  name: Type.String({ pattern: POOL_NAME, description: 'Name of the pool.' }),
})

export const PoolDeleted = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    status: StringEnum(['deleted'], { description: 'Always `deleted`.' }),
  },
  { $id: 'PoolDeleted', description: 'The pool is gone; sandboxes that it gave away stay.' },
)
