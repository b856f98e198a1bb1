import { SandboxError } from '../../errors.ts'
import type { AskedMount } from './volume.ts'

/** What a sandbox stands on: neither these nor anything in them is a place for a volume. */
const RESERVED = ['/.k2', '/.k2run', '/proc', '/sys', '/dev', '/etc']

/** VALIDATION_FAILED for a place that can't be one, is there twice, or lies in another. */
export function requirePlaces(mounts: AskedMount[]): void {
  for (const [index, { path }] of mounts.entries()) {
    const fault = faultOf(path) ?? clashOf(mounts, index)
    if (fault !== null) throw refused(index, fault)
  }
}

function faultOf(path: string): string | null {
  const steps = path.split('/').slice(1)
  if (path === '/') return 'the root of the sandbox is no place for a volume'
  if (!path.startsWith('/') || steps.some((step) => step === '' || step === '.' || step === '..'))
    return `${JSON.stringify(path)} is no plain absolute path; write it as /data, without a slash at its end`
  const reserved = RESERVED.find((one) => isIn(path, one))
  return reserved === undefined ? null : `${reserved} is the system's own; choose another path`
}

function clashOf(mounts: AskedMount[], index: number): string | null {
  const own = mounts[index]
  const other = mounts.find((one, at) => at !== index && own && isIn(own.path, one.path))
  return other === undefined ? null : `it lies in ${other.path}, where another volume is; choose another path`
}

const isIn = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`)

function refused(index: number, msg: string): SandboxError {
  return new SandboxError('VALIDATION_FAILED', `The request is not valid: body.volumes.${index}.path: ${msg}`, {
    details: { errors: [{ loc: ['body', 'volumes', index, 'path'], msg, type: 'value_error' }] },
  })
}
