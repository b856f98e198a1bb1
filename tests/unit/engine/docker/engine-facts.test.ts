import { expect, test } from 'vitest'
import { runcIsFixed } from '../../../../src/engine/docker/engine-facts.ts'

test.for([
  ['1.1.5+ds1', false],
  ['1.2.7', false],
  ['1.2.8', true],
  ['1.3.2', false],
  ['1.3.3', true],
  ['1.4.0', true],
  ['1.4.0-rc.2', false],
  ['1.4.0-rc.3', true],
  ['2.0.0', true],
  ['unknown', false],
] as const)('runc %s: has the fixes of November 2025: %s', ([version, fixed]) => {
  expect(runcIsFixed(version)).toBe(fixed)
})
