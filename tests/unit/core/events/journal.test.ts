import { expect, test } from 'vitest'
import { Journal } from '../../../../src/core/events/journal.ts'
import { FakeClock, temporaryStore } from '../records.ts'

test('a number of a database that was lost is told as a gap, and all that there is follows', async () => {
  const { store } = temporaryStore()
  const journal = new Journal({ table: store.events, clock: new FakeClock(), kept: 100 })
  expect(journal.page({ after: 5000 }, 10)).toEqual({ events: [], next: 0, gap: true })
  journal.append({ type: 'sandbox.created', sandboxId: 'one', data: {} })
  journal.append({ type: 'sandbox.deleted', sandboxId: 'one', data: {} })
  expect(journal.page({ after: 5000 }, 1)).toMatchObject({ events: [{ seq: 1 }], next: 1, gap: true })
  expect(journal.page({ after: 1 }, 10)).toMatchObject({ events: [{ seq: 2 }], next: 2, gap: false })
  const told: unknown[] = []
  const take = (event: unknown) => told.push(event) < 3
  await journal.follow({ after: 5000 }, take, {})
  expect(told).toMatchObject(['gap', { seq: 1 }, { seq: 2 }])
})
