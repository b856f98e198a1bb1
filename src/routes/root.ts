import { Message } from '../../schemas/health.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { TypedApp } from '../http/app-type.ts'
import { operation } from '../http/operation.ts'

export async function rootRoutes(app: TypedApp): Promise<void> {
  const message = { message: 'K2 Sandbox Management API' }
  const getRoot = operation({
    operationId: 'getRoot',
    tag: 'server',
    summary: 'What answers here',
    description: 'Says which API this is. Nothing else is checked: see `/healthz` and `/readyz`.',
    answer: Ref(Message),
    answerExamples: { always: message },
    errors: [],
  })
  app.get('/', { schema: getRoot }, async () => message)
}
