import type { FastifyRequest } from 'fastify'

/**
 * Which of some types the client wants, by its Accept (RFC 9110, 12.5.1): the one with the highest weight, of equal ones the
 * first that it names. The first of ours where it names none.
 */
export function preferredType<const T extends string>(
  { headers: { accept = '' } }: Pick<FastifyRequest, 'headers'>,
  offered: readonly [T, ...T[]],
): T {
  let best: { type: T; quality: number } = { type: offered[0], quality: 0 }
  for (const range of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim())
    const type = offered.find((one) => one === name)
    if (type === undefined) continue
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    const quality = weight === undefined ? 1 : Number(weight)
    if (quality > best.quality) best = { type, quality }
  }
  return best.type
}
