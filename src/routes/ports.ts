import { SandboxId } from '../../schemas/common.ts'
import { type PortInfo, PortList, PortStatus, PortWaitQuery, portNumber } from '../../schemas/port.ts'
import { Ref, Type } from '../../schemas/typebox.ts'
import type { CallOptions, ListeningPort } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import type { PreviewSites } from '../http/preview-sites.ts'
import { ID } from './examples.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface PortRoutesOptions {
  ports: {
    list(id: string, options: CallOptions): Promise<ListeningPort[]>
    wait(id: string, port: number, waitMs: number, options: CallOptions): Promise<ListeningPort[]>
  }
  previews: PreviewSites
}

export const PortParams = Type.Object({ sandbox_id: SandboxId, port: portNumber('TCP port inside the sandbox.') })

export async function portRoutes(app: TypedApp, { ports, previews }: PortRoutesOptions): Promise<void> {
  const answer = (id: string, host: string | undefined, one: ListeningPort): PortInfo => ({
    ...one,
    path: `/sandboxes/${id}/ports/${one.port}/`,
    url: previews.urlOf(id, one.port, host),
  })

  app.get('/sandboxes/:sandbox_id/ports', { schema: listPorts }, async ({ params, headers }, reply) => {
    const list = await ports.list(params.sandbox_id, { signal: clientGone(reply) })
    return { ports: list.map((one) => answer(params.sandbox_id, headers.host, one)) }
  })

  app.get('/sandboxes/:sandbox_id/ports/:port', { schema: getPort }, async ({ params, query, headers }, reply) => {
    const { sandbox_id: id, port } = params
    const waitMs = Math.ceil((query.wait ?? 0) * 1000)
    const listeners = await ports.wait(id, port, waitMs, { signal: clientGone(reply) })
    return { port, open: listeners.length > 0, listeners: listeners.map((one) => answer(id, headers.host, one)) }
  })
}

const PORT: PortInfo = {
  port: 3000,
  address: '127.0.0.1',
  family: 'ipv4',
  uid: 1000,
  pid: 57,
  process: 'node',
  path: `/sandboxes/${ID}/ports/3000/`,
  url: `http://3000-${ID}.localhost:8000/`,
}

const listPorts = operation({
  operationId: 'listPorts',
  tag: 'ports',
  summary: 'List what listens',
  description: 'TCP ports of the sandbox on which something listens, with ways to it.',
  params: SandboxParams,
  answer: Ref(PortList),
  answerExamples: { one: { ports: [PORT] } },
  errors: INSIDE_ERRORS,
})

const getPort = operation({
  operationId: 'getPort',
  tag: 'ports',
  summary: 'Look at a port, or wait for it',
  description:
    'Whether something listens on the port; with `wait` the answer comes as soon as it does, or after the time. Counts as use of the sandbox.',
  params: PortParams,
  querystring: PortWaitQuery,
  answer: Ref(PortStatus),
  answerExamples: {
    open: { port: 3000, open: true, listeners: [PORT] },
    closed: { port: 3000, open: false, listeners: [] },
  },
  errors: INSIDE_ERRORS,
})
