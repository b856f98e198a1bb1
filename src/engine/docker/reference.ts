import { SandboxError } from '../../errors.ts'

export interface ImageReference {
  /** Full name with tag or digest: `docker.io/library/debian:trixie-slim`. Never a prefix of an image id. */
  canonical: string
  /** `docker.io/library/debian`: what is pulled. */
  repository: string
  /** Tag, or `sha256:…` digest. null for a local image id, which can't be pulled. */
  version: string | null
}

const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]{1,5})?$/
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$/
const DIGEST = /^sha256:[a-f0-9]{64}$/
const LONGEST_NAME = 255

/**
 * The grammar of image references (distribution/reference): `[host/]path[:tag][@digest]`, or an image id `sha256:<64 hex>`.
 * Made canonical, because the engine also takes a bare word as the prefix of an image id. Throws TEMPLATE_INVALID.
 */
export function parseReference(reference: string): ImageReference {
  if (DIGEST.test(reference)) return { canonical: reference, repository: reference, version: null }
  const match = /^([^@:\s]+(?::[0-9]+\/[^@:\s]+)?)(?::([^@:/\s]+))?(?:@(\S+))?$/.exec(reference)
  if (!match) throw invalid(reference)
  const [, name = '', tag, digest] = match
  if ((tag !== undefined && !TAG.test(tag)) || (digest !== undefined && !DIGEST.test(digest))) throw invalid(reference)
  const repository = canonicalName(name)
  if (repository === null || repository.length > LONGEST_NAME) throw invalid(reference)
  const version = digest ?? tag ?? 'latest'
  return { canonical: `${repository}${digest === undefined ? ':' : '@'}${version}`, repository, version }
}

function canonicalName(name: string): string | null {
  const [first = '', ...others] = name.split('/')
  const hasHost = others.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const host = hasHost ? first : 'docker.io'
  const path = hasHost ? others : [first, ...others]
  if (!HOST.test(host) || !path.every((component) => COMPONENT.test(component))) return null
  const official = host === 'docker.io' && path.length === 1 ? ['library'] : []
  if (!hasHost && path.length === 1 && /^[a-f0-9]{64}$/.test(first)) return null
  return [host === 'index.docker.io' ? 'docker.io' : host, ...official, ...path].join('/')
}

function invalid(reference: string): SandboxError {
  const shown = JSON.stringify(reference.length > 80 ? `${reference.slice(0, 80)}…` : reference)
  return new SandboxError('TEMPLATE_INVALID', `template ${shown} is not an image name; use one like \`python:3.13\``)
}
