/**
 * What serialises answers and validates requests is compiled by its first use: most of a server's routes are used by few, and all
 * together cost 40 MiB and most of the start. A test compiles them all.
 */
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import type { FastifyServerOptions } from 'fastify'
import { buildValidators } from './validation.ts'

type Factories = Required<NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>>

/** For Fastify's `schemaController`. */
export function compilers({ atStart }: { atStart: boolean }): Factories {
  const when = atStart ? <F>(compile: () => F): F => compile() : byFirstUse
  return {
    buildSerializer(schemas, options) {
      const compile = SerializerSelector()(schemas, options)
      return (route) => when(() => compile(route))
    },
    buildValidator: ((schemas: Record<string, object>) => {
      const compile = buildValidators(schemas)
      return (part: Parameters<typeof compile>[0]) => when(() => compile(part))
      // Fastify's type asks for its own Ajv's validators.
    }) as unknown as Factories['buildValidator'],
  }
}

/** A function that is made when it is first called. */
function byFirstUse<Arguments extends unknown[], Result>(
  compile: () => (...given: Arguments) => Result,
): (...given: Arguments) => Result {
  let compiled: ((...given: Arguments) => Result) | undefined
  return (...given) => {
    compiled ??= compile()
    return compiled(...given)
  }
}
