/** Parts that several resources share: how much of a text, a path or a time is taken. */
import { StringEnum, StringMap, Type } from './typebox.ts'

/** No NUL: neither the kernel nor the engine can take one. */
const WITHOUT_NUL = '^[^\\u0000]*$'

export const SandboxId = Type.String({
  pattern: '^[a-z0-9]{20}$',
  description: 'Id of a sandbox: 20 characters of a-z and 0-9.',
  examples: ['4f2k8m1x9q7w3z5c6v0b'],
  'x-error': 'SANDBOX_NOT_FOUND',
})

export const ProcessId = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,64}$',
  description: 'Id of a process, as `process_id` of a command answer or of the list.',
  examples: ['p7d0c41'],
  'x-error': 'PROCESS_NOT_FOUND',
})

export const ContextId = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,64}$',
  description: "Id of a context: of the list, or a language's own, as `default-python`.",
  examples: ['default-python'],
  'x-error': 'CONTEXT_NOT_FOUND',
})

export const cwd = (description: string) =>
  Type.String({
    pattern: '^(/[^\\u0000]*)?$',
    'x-max-bytes': 4096,
    description: `${description} Absolute: it begins with \`/\`. At most 4,096 bytes.`,
  })

export const path = (description: string) =>
  Type.String({ pattern: WITHOUT_NUL, 'x-max-bytes': 4096, description: `${description} At most 4,096 bytes.` })

export const user = (description: string) =>
  Type.String({
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$',
    description: `${description} A name or uid of the image, with \`:group\` or \`:gid\` if wanted: \`user\`, \`1000\`, \`root\`, \`1000:1000\`.`,
  })

export const envs = (description: string) =>
  StringMap({
    description: `${description} At most 256; names without \`=\` and at most 256 characters, values at most 130,000 bytes, neither with NUL.`,
    maxProperties: 256,
    names: { pattern: '^[^=\\u0000]+$', maxLength: 256 },
    values: { pattern: WITHOUT_NUL, maxBytes: 130_000 },
  })

export const metadata = (description = "The caller's own labels, to find the sandbox by.") =>
  StringMap({
    description: `${description} At most 64 pairs; keys at most 128 characters and without \`=\`, values at most 1,024 bytes.`,
    maxProperties: 64,
    names: { pattern: '^[^=\\u0000]+$', maxLength: 128 },
    values: { maxBytes: 1024 },
  })

export const Timestamp = (description: string) =>
  Type.String({ format: 'date-time', description: `${description} RFC 3339, UTC, milliseconds.` })

export const Encoding = (description: string) => StringEnum(['utf-8', 'base64'], { description })

export const Language = (description: string) =>
  Type.String({ pattern: '^[^\\u0000-\\u001f]*$', maxLength: 64, description })

export const outputLimitBytes = () =>
  Type.Integer({
    minimum: 1024,
    maximum: 1_073_741_824,
    description:
      "Most bytes kept of each of stdout and stderr: of more, the beginning and the end are kept, `truncated` is true, and in text the line `[... N bytes left out ...]` stands between them. Default and largest value are the server's settings K2_DEFAULT_OUTPUT_KB and K2_MAX_OUTPUT_KB.",
  })

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description:
        "A key of the caller's own for this one request, such as a UUID: 1 to 255 printable ASCII characters without spaces. Sent again with it, the request is not done again: the answer is what the first one made, also while that is under way or after a restart of the server. Kept for 24 hours (the latest 100,000 of them).",
    }),
  ),
})
