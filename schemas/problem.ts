import { type Static, Type } from './typebox.ts'

/** The body of every error: RFC 9457, with `detail` where the original API had it. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'Identifies the kind of problem; `about:blank` when `code` says it all.' }),
    title: Type.String({ description: 'The HTTP status in words.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    detail: Type.String({ description: 'A sentence for a person: the thing, the fact and the next step.' }),
    code: Type.String({ description: 'Stable name of the failure, for programs. It never changes its meaning.' }),
    request_id: Type.String({
      description: "Names this request in the server's log; also in the x-request-id header.",
    }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          loc: Type.Array(Type.Union([Type.String(), Type.Integer()]), {
            description: 'Where, from the outside in: `["body", "timeout"]`.',
          }),
          msg: Type.String({ description: 'What is wrong there.' }),
          type: Type.String({ description: 'Machine code of the fault: `value_error.missing`.' }),
        }),
        { description: 'Each fault of a request that did not validate (code VALIDATION_FAILED).' },
      ),
    ),
    output: Type.Optional(
      Type.String({ description: 'Last lines a container printed before it ended (code SANDBOX_START_FAILED).' }),
    ),
  },
  { $id: 'Problem', description: 'What went wrong, as RFC 9457 problem+json.' },
)
export type Problem = Static<typeof Problem>
