import { Timestamp } from './common.ts'
import { Nullable, Ref, type Static, StringEnum, Type } from './typebox.ts'

const MOST_RULES = 100

export const EgressRule = Type.Object(
  {
    host: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'A name: `api.example.com`, `*.example.com` (every name below it, not itself), `*` (every name).',
      }),
    ),
    cidr: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'A network of addresses, as `203.0.113.0/24`. A private one also allows names of the list that lead there, which are refused else.',
      }),
    ),
    ports: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), {
        minItems: 1,
        maxItems: 64,
        description: 'Absent: 80 and 443.',
      }),
    ),
    headers: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$" }),
        Type.String({ maxLength: 8192, pattern: '^[\\t\\x20-\\x7e]*$' }),
        {
          maxProperties: 16,
          description:
            'Set on plain HTTP requests to these hosts on their way out, in place of the same ones of the program: credentials that the sandbox never sees. What goes through CONNECT or SOCKS is encrypted by the program itself and can have none: see `tls`.',
        },
      ),
    ),
    tls: Type.Optional(
      Type.Boolean({
        description:
          'Plain HTTP requests (`http://` at the proxy) go on over TLS, from port 80 to 443, with the certificate checked. So a program asks `http://api.example.com/` and the headers travel safely. Default false.',
      }),
    ),
  },
  { $id: 'EgressRule', additionalProperties: false, description: 'What may be reached: `host` or `cidr`, at `ports`.' },
)
export type EgressRule = Static<typeof EgressRule>

export const EgressList = Type.Object(
  {
    allow: Type.Array(Ref(EgressRule), {
      maxItems: MOST_RULES,
      description: 'All that may be reached; for a name the first that has it counts. Empty: nothing.',
    }),
  },
  {
    $id: 'EgressList',
    additionalProperties: false,
    description: 'What the programs of a sandbox without a network may reach, through the proxy in it.',
  },
)
export type EgressList = Static<typeof EgressList>

export const EgressAllowed = Type.Object(
  {
    host: Nullable(Type.String(), { description: 'The name, or null.' }),
    cidr: Nullable(Type.String(), { description: 'The network, or null.' }),
    ports: Type.Array(Type.Integer(), { description: 'Its ports.' }),
    header_names: Type.Array(Type.String(), { description: 'What headers are set; their values are not told.' }),
    tls: Type.Boolean({ description: 'Plain HTTP requests go on over TLS.' }),
  },
  { $id: 'EgressAllowed', description: 'What may be reached.' },
)

export const EgressDecision = Type.Object(
  {
    at: Timestamp('When it was tried.'),
    protocol: StringEnum(['http', 'connect', 'socks5'], { description: 'How it was asked for.' }),
    host: Type.String({ description: 'The name or address that was asked for.' }),
    port: Type.Integer({ description: 'The port.' }),
    allowed: Type.Boolean({ description: 'The list allows it.' }),
    address: Nullable(Type.String(), { description: 'Where it went; null: nowhere.' }),
    reason: Nullable(Type.String(), { description: 'Why it went nowhere.' }),
  },
  { $id: 'EgressDecision', description: 'One try to get out.' },
)

export const EgressState = Type.Object(
  {
    proxy: Nullable(Type.String(), {
      description:
        'Where programs in the sandbox find the proxy: HTTP, CONNECT and SOCKS5 at one port. It is in HTTP_PROXY and HTTPS_PROXY. null: there is none.',
    }),
    allow: Type.Array(Ref(EgressAllowed), { description: 'What may be reached.' }),
    decisions: Type.Array(Ref(EgressDecision), {
      description: 'What was tried, the latest first: 200 at most, since the start of the server.',
    }),
  },
  { $id: 'EgressState', description: 'The way out of a sandbox.' },
)
export type EgressState = Static<typeof EgressState>
