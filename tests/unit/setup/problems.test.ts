import { expect, test } from 'vitest'
import {
  describeFailedBuild,
  describeLittleSpace,
  describeMissingBase,
  describeUnreachableEngine,
} from '../../../scripts/setup/problems.ts'

const ADDRESS = 'unix:///var/run/docker.sock'

test.for([
  ['no socket', 'ENOENT', /no Docker engine at .*: install Docker/],
  ['nobody listens', 'ECONNREFUSED', /is not running: start it/],
  ['the socket is not ours', 'EACCES', /permission denied .* usermod -aG docker/],
  ['an unknown host', 'ENOTFOUND', /is not known: check the name/],
  ['a silent host', 'ETIMEDOUT', /does not answer/],
] as const)('engine: %s is one sentence with what to do', ([, code, sentence]) => {
  const words = describeUnreachableEngine(Object.assign(new Error('x'), { code }), ADDRESS)
  expect(words).toMatch(sentence)
  expect(words).toContain(ADDRESS)
  expect(words).not.toContain('\n')
})

test('engine: something else that answers is told apart from an engine', () => {
  expect(describeUnreachableEngine({ statusCode: 404 }, 'tcp://127.0.0.1:80')).toMatch(
    /not a Docker engine \(status 404\)/,
  )
})

test.for([
  ['write /usr/lib/x: no space left on device', /^The disk is full/],
  ["E: You don't have enough free space in /var/cache/apt/archives/.", /^The disk is full/],
  ["Temporary failure resolving 'mirror.example'", /reaches no Debian mirror/],
  ['E: Unable to locate package nonesuch', /last lines are above, all of it is in \/data\/build.log/],
] as const)('build: %s', ([words, sentence]) => {
  expect(describeFailedBuild('k2data/sandbox-base:latest', words, '/data/build.log')).toMatch(sentence)
})

test('space: says what is free, what is needed and where', () => {
  expect(describeLittleSpace('/var/lib/docker', 1.25e9, 3e9)).toMatch(
    /Only 1\.3 GB are free at \/var\/lib\/docker and 3\.0 GB are needed/,
  )
})

test('no registry and no bootstrap: both reasons, first lines only', () => {
  const words = describeMissingBase(
    'debian:trixie-slim',
    'no registry answered',
    'this machine is amd64 and the engine arm64\nmore',
  )
  expect(words).toContain('(no registry answered)')
  expect(words).toContain('(this machine is amd64 and the engine arm64)')
  expect(words).not.toContain('\n')
})
