import { expect, test } from 'vitest'
import { HeadAndTail, Tail } from '../../../../src/engine/docker/tail.ts'

test('the last bytes are kept, however they come', () => {
  const tail = new Tail(4)
  for (const piece of ['ab', 'c', '', 'defghij', 'k']) tail.write(Buffer.from(piece))
  expect(tail.text()).toBe('hijk')
})

test('head and tail are kept with what was left out between', () => {
  const kept = new HeadAndTail(3, 4)
  kept.write(Buffer.from('ab'))
  expect(kept.text()).toBe('ab')
  kept.write(Buffer.from('cdefg'))
  expect(kept.text()).toBe('abcdefg')
  kept.write(Buffer.from('hij'))
  expect(kept.text()).toBe('abc\n… 3 bytes left out …\nghij')
})
