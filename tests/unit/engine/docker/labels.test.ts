import { expect, test } from 'vitest'
import {
  agentToken,
  type Identity,
  isSandboxId,
  LABEL,
  readImageLabels,
  readLabels,
  signImageLabels,
  signLabels,
} from '../../../../src/engine/docker/labels.ts'

const secret = Buffer.alloc(32, 1)
const identity: Identity = {
  kind: 'sandbox',
  id: 'abcdefghij0123456789',
  instance: 'test',
  link: 'dial',
  record: '{"a":"ü"}',
}

test('labels that we signed are read back', () => {
  expect(readLabels(secret, { ...signLabels(secret, identity), other: 'label' })).toEqual(identity)
})

test.for(Object.values(LABEL))('labels are not ours when %s was changed or left out', (key) => {
  const labels = signLabels(secret, identity)
  const { [key]: removed, ...missing } = labels
  expect(readLabels(secret, missing)).toBeNull()
  expect(readLabels(secret, { ...labels, [key]: key === LABEL.link ? 'exec' : `${removed}0` })).toBeNull()
})

test('bytes moved from one field to its neighbour do not keep the signature', () => {
  const labels = signLabels(secret, { ...identity, instance: 'ab', record: 'c' })
  expect(readLabels(secret, { ...labels, [LABEL.instance]: 'a', [LABEL.record]: 'bc' })).toBeNull()
})

test('labels of an image and of a container are never taken for one another', () => {
  const image = { kind: 'snapshot' as const, id: identity.id, instance: 'test', record: 'x', user: null }
  expect(readImageLabels(secret, signImageLabels(secret, image))).toEqual(image)
  expect(readLabels(secret, signImageLabels(secret, image))).toBeNull()
  expect(readImageLabels(secret, signLabels(secret, identity))).toBeNull()
  expect(readImageLabels(secret, { ...signImageLabels(secret, image), [LABEL.kind]: 'image:template' })).toBeNull()
  // Every key is there: nothing of the container that it is made of stays.
  expect(Object.keys(signImageLabels(secret, image)).sort()).toEqual(Object.keys(signLabels(secret, identity)).sort())
})

test('labels signed with another secret are not ours', () => {
  expect(readLabels(Buffer.alloc(32, 2), signLabels(secret, identity))).toBeNull()
})

test('each sandbox has a token of its own', () => {
  expect(agentToken(secret, identity.id)).toMatch(/^[0-9a-f]{64}$/)
  expect(agentToken(secret, identity.id)).not.toBe(agentToken(secret, 'bbcdefghij0123456789'))
})

test.for(['../../../../etc/passwd', 'ABCDEFGHIJ0123456789', 'abcdefghij012345678', '', 'abcdefghij0123456789\n'])(
  '%j is not a sandbox id',
  (id) => {
    expect(isSandboxId(id)).toBe(false)
  },
)
