import { expect, test } from 'vitest'
import { parseReference } from '../../../../src/engine/docker/reference.ts'

const digest = `sha256:${'a'.repeat(64)}`

test.for([
  ['python', 'docker.io/library/python:latest'],
  ['python:3.13', 'docker.io/library/python:3.13'],
  ['k2data/sandbox-base:latest', 'docker.io/k2data/sandbox-base:latest'],
  ['localhost/image', 'localhost/image:latest'],
  ['127.0.0.1:5000/a/b_c:v1.2', '127.0.0.1:5000/a/b_c:v1.2'],
  ['ghcr.io/owner/name', 'ghcr.io/owner/name:latest'],
  [`debian@${digest}`, `docker.io/library/debian@${digest}`],
  [`debian:12@${digest}`, `docker.io/library/debian@${digest}`],
  ['index.docker.io/library/debian', 'docker.io/library/debian:latest'],
  ['dead', 'docker.io/library/dead:latest'],
  [digest, digest],
] as const)('%s is %s', ([reference, canonical]) => {
  expect(parseReference(reference).canonical).toBe(canonical)
})

test.for([
  '',
  ' ',
  'UPPER',
  'UPPER/x',
  'K2data/sandbox-base',
  'a b',
  'a:',
  ':a',
  'a@',
  'a@sha256:12',
  '../x',
  'a/../b',
  '/a',
  'a/',
  'a//b',
  'a:b:c',
  '-a',
  'a\nb',
  'a\0b',
  'http://x/y',
  'a'.repeat(300),
  `a:${'t'.repeat(129)}`,
  'b'.repeat(64),
  'a?fromSrc=-',
  'a%2fb',
  'x:5000:6000/a',
])('%j is not a reference', (reference) => {
  expect(() => parseReference(reference)).toThrow(expect.objectContaining({ code: 'TEMPLATE_INVALID' }))
})
