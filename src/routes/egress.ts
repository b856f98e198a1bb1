import { EgressList, EgressState } from '../../schemas/egress.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { EgressView } from '../core/egress/egress.ts'
import type { EgressRule } from '../core/egress/rules.ts'
import type { TypedApp } from '../http/app-type.ts'
import { operation } from '../http/operation.ts'
import { SandboxParams } from './sandbox-id.ts'

export interface EgressRoutesOptions {
  egress: {
    view(id: string): EgressView
    change(id: string, allow: EgressRule[]): EgressView
  }
}

export async function egressRoutes(app: TypedApp, { egress }: EgressRoutesOptions): Promise<void> {
  app.get('/sandboxes/:sandbox_id/egress', { schema: getEgress }, async ({ params }) =>
    egressAnswer(egress.view(params.sandbox_id)),
  )

  app.put('/sandboxes/:sandbox_id/egress', { schema: setEgress }, async ({ params, body }) =>
    egressAnswer(egress.change(params.sandbox_id, toRules(body))),
  )
}

const DEFAULT_PORTS = [80, 443]

export function toRules({ allow }: EgressList): EgressRule[] {
  return allow.map(({ host, cidr, ports, headers, tls }) => ({
    host: host?.toLowerCase() ?? null,
    cidr: cidr ?? null,
    ports: ports ?? DEFAULT_PORTS,
    headers: headers ?? {},
    tls: tls ?? false,
  }))
}

/** Values of headers are secrets. */
function egressAnswer({ port, allow, decisions }: EgressView): EgressState {
  return {
    proxy: port === null ? null : `http://127.0.0.1:${port}`,
    allow: allow.map(({ headers, ...rule }) => ({ ...rule, header_names: Object.keys(headers) })),
    decisions: decisions.map(({ at, ...decision }) => ({ at: new Date(at).toISOString(), ...decision })),
  }
}

const EXAMPLE: EgressState = {
  proxy: 'http://127.0.0.1:24017',
  allow: [{ host: '*.debian.org', cidr: null, ports: [80, 443], header_names: [], tls: false }],
  decisions: [
    {
      at: '2026-11-26T10:00:00.000Z',
      protocol: 'connect',
      host: 'example.com',
      port: 443,
      allowed: false,
      address: null,
      reason: 'no host of the list has this name and port',
    },
  ],
}

const getEgress = operation({
  operationId: 'getEgress',
  tag: 'sandboxes',
  summary: 'What a sandbox may reach, and tried to',
  description: 'The allow-list of a sandbox without a network, and the latest decisions. No use of the sandbox.',
  params: SandboxParams,
  answer: Ref(EgressState),
  answerExamples: { debian: EXAMPLE },
  errors: ['SANDBOX_NOT_FOUND'],
})

const setEgress = operation({
  operationId: 'setEgress',
  tag: 'sandboxes',
  summary: 'Change what a sandbox may reach',
  description:
    'Another allow-list, at once and in any state, for a sandbox with network `none`; connections that it does not allow are cut. The server resolves names itself, refuses those that lead to private addresses unless a `cidr` has them, and dials the very address that it checked. Processes that are started from then on have the proxy in their environment; where the sandbox had no list before, those that run have not.',
  params: SandboxParams,
  body: Ref(EgressList),
  requestExamples: {
    debian: { allow: [{ host: '*.debian.org' }] },
    credentials: {
      allow: [{ host: 'api.example.com', tls: true, headers: { authorization: 'Bearer secret' } }],
    },
    nothing: { allow: [] },
  },
  answer: Ref(EgressState),
  answerExamples: { debian: EXAMPLE },
  errors: ['SANDBOX_NOT_FOUND', 'INVALID_REQUEST'],
})
