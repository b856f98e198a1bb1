import { validationFailed } from '../http/validation-error.ts'

/** The bytes of a member of a body, as text or as base64. */
export function decodeContent(content: string, encoding: 'utf-8' | 'base64' | undefined, member: string): Uint8Array {
  if (encoding !== 'base64') return Buffer.from(content, 'utf8')
  const bytes = decodeBase64(content)
  if (bytes) return bytes
  const msg = 'value is not base64 with padding (RFC 4648 section 4)'
  throw validationFailed([{ loc: ['body', member], msg, type: 'value_error' }])
}

/**
 * The bytes of base64 as of RFC 4648 section 4: standard alphabet, padded, nothing else in it; undefined for all other text.
 * Node's decoder skips what it does not know, so the count of bytes tells whether it skipped anything.
 */
function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const isWhole = text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding
  const hasUrlAlphabet = text.includes('-') || text.includes('_')
  // `AB==` and `AA==` would give the same byte: only one of them is its encoding.
  const end = text.slice(-4)
  const isCanonical = Buffer.from(end, 'base64').toString('base64') === end
  return isWhole && !hasUrlAlphabet && isCanonical ? bytes : undefined
}
