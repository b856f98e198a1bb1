import { expect, test } from 'vitest'
import { RETRIES, retryIn } from '../../../../src/core/webhooks/retries.ts'
import { signedHeaders } from '../../../../src/core/webhooks/signature.ts'

test('pauses grow, end after about a day, and a receiver can ask for longer ones up to an hour', () => {
  expect(RETRIES).toEqual([...RETRIES].sort((a, b) => a - b))
  const hours = RETRIES.reduce((sum, one) => sum + one) / 3_600_000
  expect(hours).toBeGreaterThan(23)
  expect(hours).toBeLessThan(25)
  expect(retryIn(1, null, () => 0)).toBe(1000)
  expect(retryIn(1, null, () => 1)).toBe(1200)
  expect(retryIn(1, 60_000)).toBe(60_000)
  expect(retryIn(1, 1e9)).toBe(3_600_000)
  expect(retryIn(RETRIES.length, null)).not.toBeNull()
  expect(retryIn(RETRIES.length + 1, 1000)).toBeNull()
})

test("the specification's own example is signed as it is there, and a secret that ended signs no more", () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    eventId: null,
    type: 'test',
    body: '{"test": 2432232314}',
  }
  const now = 1_614_265_330_000
  const ended = { value: `whsec_${Buffer.alloc(32).toString('base64')}`, until: now - 1 }
  expect(signedHeaders(message, [ended, { value: secret, until: null }], now)).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})
