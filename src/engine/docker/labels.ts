import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ImageKind } from '../types.ts'
import type { LinkKind } from './options.ts'

/** `probe`: the container that `open` tries the engine with. `filler`: never started, carries the agent into its volume. `rules`: installs the rules of the network. */
export type ContainerKind = 'sandbox' | 'probe' | 'filler' | 'rules'

const KINDS: readonly string[] = ['sandbox', 'probe', 'filler', 'rules'] satisfies ContainerKind[]
const isKind = (kind: string): kind is ContainerKind => KINDS.includes(kind)

/** What is kept with a container for its life, signed. */
export interface Identity {
  kind: ContainerKind
  id: string
  instance: string
  link: LinkKind
  record: string
}

/** What is kept with an image of ours, signed. */
export interface ImageIdentity {
  kind: ImageKind
  id: string
  instance: string
  record: string
  /** USER of the image that its sandbox was made of, or what was asked for; the engine itself can't make it none again. */
  user: string | null
}

/** Most bytes of `record`. */
export const RECORD_LIMIT_BYTES = 8192

export const LABEL = {
  kind: 'k2.kind',
  id: 'k2.id',
  instance: 'k2.instance',
  link: 'k2.link',
  record: 'k2.record',
  signature: 'k2.signature',
} as const

const ID = /^[a-z0-9]{20}$/

/** Ids are path segments and container names: anything else is refused before it gets near either. */
export function isSandboxId(id: string): boolean {
  return ID.test(id)
}

/** Every key we read is set, so that an image's labels of the same names are overwritten. */
export function signLabels(secret: Buffer, identity: Identity): Record<string, string> {
  return signed(secret, identity)
}

/** The identity that labels state, null when they are not ours: a key is missing, malformed, or the signature is wrong. */
export function readLabels(secret: Buffer, labels: Record<string, string> | null | undefined): Identity | null {
  const signed = readSigned(secret, labels)
  if (signed === null) return null
  const { kind, link } = signed
  if (!isKind(kind)) return null
  if (link !== 'dial' && link !== 'exec') return null
  return { ...signed, kind, link }
}

/** Of an image; the same keys, so that those of the container that it is made of are not in it. */
export function signImageLabels(secret: Buffer, { kind, user, record, ...identity }: ImageIdentity) {
  return signed(secret, {
    ...identity,
    kind: `image:${kind}`,
    link: IMAGE_LINK,
    record: JSON.stringify({ user, record }),
  })
}

/** As `readLabels`, of an image. Whoever builds upon an image of ours gets its labels, too: see `listOwnImages`. */
export function readImageLabels(
  secret: Buffer,
  labels: Record<string, string> | null | undefined,
): ImageIdentity | null {
  const signed = readSigned(secret, labels)
  if (signed === null || signed.link !== IMAGE_LINK) return null
  const { id, instance } = signed
  const kind = signed.kind.slice('image:'.length)
  if (kind !== 'snapshot' && kind !== 'template') return null
  const { user, record } = JSON.parse(signed.record) as Pick<ImageIdentity, 'user' | 'record'>
  return { kind, id, instance, record, user }
}

/** Of a volume for files of sandboxes; `record` is the core's. */
export interface VolumeIdentity {
  id: string
  instance: string
  record: string
}

export function signVolumeLabels(secret: Buffer, { id, instance, record }: VolumeIdentity): Record<string, string> {
  return signed(secret, { kind: VOLUME_KIND, id, instance, link: IMAGE_LINK, record })
}

/** As `readLabels`, of a volume. */
export function readVolumeLabels(
  secret: Buffer,
  labels: Record<string, string> | null | undefined,
): VolumeIdentity | null {
  const signed = readSigned(secret, labels)
  if (signed === null || signed.kind !== VOLUME_KIND || signed.link !== IMAGE_LINK) return null
  const { id, instance, record } = signed
  return { id, instance, record }
}

const VOLUME_KIND = 'volume'
const IMAGE_LINK = 'none'

interface Signed {
  kind: string
  id: string
  instance: string
  link: string
  record: string
}

function readSigned(secret: Buffer, labels: Record<string, string> | null | undefined): Signed | null {
  if (!labels) return null
  const { kind, id, link } = { kind: labels[LABEL.kind], id: labels[LABEL.id], link: labels[LABEL.link] }
  const instance = labels[LABEL.instance]
  const record = labels[LABEL.record]
  const claimed = labels[LABEL.signature]
  if (kind === undefined || link === undefined || instance === undefined) return null
  if (id === undefined || !ID.test(id) || record === undefined || claimed === undefined) return null
  const identity: Signed = { kind, id, instance, link, record }
  return equal(signature(secret, identity), claimed) ? identity : null
}

function signed(secret: Buffer, identity: Signed): Record<string, string> {
  return {
    [LABEL.kind]: identity.kind,
    [LABEL.id]: identity.id,
    [LABEL.instance]: identity.instance,
    [LABEL.link]: identity.link,
    [LABEL.record]: identity.record,
    [LABEL.signature]: signature(secret, identity),
  }
}

/** Not the id itself: the bridge's DNS tells every sandbox the names of the others (reverse lookup). */
export function containerName(secret: Buffer, id: string): string {
  return `k2-${createHmac('sha256', secret).update(`name:${id}`).digest('hex').slice(0, 20)}`
}

/** What the agent of this sandbox proves itself with: 64 hex digits. */
export function agentToken(secret: Buffer, id: string): string {
  return createHmac('sha256', secret).update(`link:${id}`).digest('hex')
}

function signature(secret: Buffer, { kind, id, instance, link, record }: Signed): string {
  const hmac = createHmac('sha256', secret)
  for (const field of ['labels:1', kind, id, instance, link, record]) {
    const bytes = Buffer.from(field)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    hmac.update(length).update(bytes)
  }
  return hmac.digest('hex')
}

function equal(expected: string, claimed: string): boolean {
  const a = Buffer.from(expected)
  const b = Buffer.from(claimed)
  return a.length === b.length && timingSafeEqual(a, b)
}
