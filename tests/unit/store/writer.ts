/** A process of `crash.test.ts`: writes sandboxes and says so, until it is killed. */
import { openStore } from '../../../src/store/store.ts'

const store = openStore(process.argv[2] ?? '')
process.stdout.write(`found ${store.found.kind}\n`)
for (let n = 0; ; n++) {
  const id = `${process.pid}x${n}`.padStart(20, '0')
  store.transaction(() => {
    store.sandboxes.save({
      id,
      status: 'stopped',
      lastActiveAt: n,
      body: JSON.stringify({ id, pad: 'x'.repeat(n % 3000) }),
    })
    if (n % 3 === 0) store.keys.save({ scope: 's', key: id, fingerprint: 'f', madeId: id, madeAt: n })
  })
  process.stdout.write(`${id}\n`)
}
