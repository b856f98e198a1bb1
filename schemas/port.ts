import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

export const portNumber = (description: string) => Type.Integer({ minimum: 1, maximum: 65_535, description })

export const PortInfo = Type.Object(
  {
    port: Type.Integer({ description: 'TCP port.' }),
    address: Type.String({
      description: 'Address inside the sandbox that is listened on; `0.0.0.0` and `::` are all.',
    }),
    family: StringEnum(['ipv4', 'ipv6'], { description: 'Of the address.' }),
    uid: Type.Integer({ description: 'User whose server it is.' }),
    pid: Nullable(Type.Integer(), { description: 'Process inside the sandbox; null where it can not be told.' }),
    process: Nullable(Type.String(), { description: 'Name of its program; null where it can not be told.' }),
    path: Type.String({
      description: "Where this server passes requests on to it: for programs. Its pages can't keep state there.",
    }),
    url: Nullable(Type.String(), {
      description: 'Where it is a web site of its own, for browsers; null where the server has no domain for that.',
    }),
  },
  { $id: 'PortInfo', description: 'Something in the sandbox that listens.' },
)
export type PortInfo = Static<typeof PortInfo>

export const PortList = Type.Object(
  { ports: Type.Array(Ref(PortInfo), { description: 'By port, one for each address.' }) },
  { $id: 'PortList', description: 'What listens in a sandbox.' },
)
export type PortList = Static<typeof PortList>

export const PortStatus = Type.Object(
  {
    port: Type.Integer({ description: 'TCP port.' }),
    open: Type.Boolean({ description: 'Something listens on it.' }),
    listeners: Type.Array(Ref(PortInfo), { description: 'What does; empty when nothing.' }),
  },
  { $id: 'PortStatus', description: 'How a port of a sandbox stands.' },
)
export type PortStatus = Static<typeof PortStatus>

export const PortWaitQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 600,
        description: 'Seconds to wait at most until something listens. Absent or 0: the answer is how it stands.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const TunnelQuery = Type.Object(
  { port: portNumber('TCP port inside the sandbox.') },
  { additionalProperties: false },
)
