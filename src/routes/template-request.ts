import { posix } from 'node:path'
import type { TemplateCreate, TemplateRebuild, TemplateStep, TemplateUpdate } from '../../schemas/template.ts'
import type { BuildSource, CreateTemplate, Rebuild, TemplateSettings } from '../core/templates/model.ts'
import type { Step } from '../core/templates/step.ts'
import { SandboxError } from '../errors.ts'
import { validationFailed } from '../http/validation-error.ts'
import { decodeContent } from './decode-content.ts'
import { toResources } from './resources.ts'

const DEFAULT_READY_SECONDS = 30
const DEFAULT_MODE = 0o644

export function toCreateTemplate(body: TemplateCreate, mostBytes: number): CreateTemplate {
  const { name, image, no_cache: noCache } = body
  const source = toSource(body, mostBytes)
  const settings = toSettings(body)
  if (image !== undefined) {
    if (Object.keys(source).length > 0 || noCache !== undefined)
      throw new SandboxError(
        'INVALID_REQUEST',
        'an image is taken as it is; leave out image, or all that is for a build',
      )
    return { name, image, ...settings }
  }
  const whole: BuildSource = {
    ...source,
    files: source.files ?? [],
    buildArgs: source.buildArgs ?? {},
    limits: source.limits ?? {},
  }
  return { name, source: whole, noCache, ...settings }
}

export function toRebuild(body: TemplateRebuild, mostBytes: number): Rebuild {
  return { source: toSource(body, mostBytes), noCache: body.no_cache }
}

export function toSettings(body: TemplateUpdate): TemplateSettings {
  const { description, defaults, pool_size: poolSize, start_command: startCommand, ready } = body
  return {
    description,
    poolSize,
    startCommand,
    ...(ready !== undefined && { ready: toReady(ready) }),
    ...(defaults && {
      defaults: {
        resources: toResources(defaults.resources ?? {}),
        timeoutSeconds: defaults.timeout,
        onTimeout: defaults.on_timeout,
        autoResume: defaults.auto_resume,
        envs: defaults.envs,
        cwd: defaults.cwd || undefined,
        user: defaults.user,
        network: defaults.network,
        prestart: defaults.prestart,
      },
    }),
  }
}

/** An empty one is none: null is the same as absent. */
function toReady(ready: NonNullable<TemplateUpdate['ready']>): TemplateSettings['ready'] {
  const { command, port, timeout: timeoutSeconds = DEFAULT_READY_SECONDS } = ready
  return Object.keys(ready).length === 0 ? null : { command, port, timeoutSeconds }
}

/** Only what is there. */
function toSource(body: TemplateRebuild, mostBytes: number): Partial<BuildSource> {
  const { dockerfile, from, steps, files, build_args: buildArgs, build } = body
  if (dockerfile !== undefined && (from !== undefined || steps !== undefined))
    throw new SandboxError('INVALID_REQUEST', 'give a dockerfile, or from with steps, not both')
  return {
    ...(dockerfile !== undefined && { dockerfile }),
    ...(from !== undefined && { from }),
    ...(steps && { steps: steps.map(toStep) }),
    ...(files && { files: toFiles(files, mostBytes) }),
    ...(buildArgs && { buildArgs }),
    ...(build && {
      limits: {
        network: build.network,
        timeoutSeconds: build.timeout,
        ...(build.resources && { resources: toResources(build.resources) }),
      },
    }),
  }
}

function toFiles(files: NonNullable<TemplateRebuild['files']>, mostBytes: number): BuildSource['files'] {
  const seen = new Set<string>()
  let left = mostBytes
  return files.map(({ path: written, content, encoding, mode }, index) => {
    const path = posix.normalize(written).replace(/\/$/, '')
    const fault = (msg: string) =>
      validationFailed([{ loc: ['body', 'files', index, 'path'], msg, type: 'value_error' }])
    if (path === '.' || written.endsWith('/')) throw fault('path is a folder; send the files in it')
    if (seen.has(path)) throw fault('a file of this path is there twice')
    seen.add(path)
    const bytes = Buffer.from(decodeContent(content, encoding, `files.${index}.content`))
    left -= bytes.length
    if (left < 0)
      throw new SandboxError(
        'FILE_TOO_LARGE',
        `the files of a build may have ${mostBytes} bytes together (K2_MAX_FILE_MB); fetch what is large in a step`,
      )
    return {
      path,
      content: bytes.toString('base64'),
      mode: mode === undefined ? DEFAULT_MODE : Number.parseInt(mode, 8),
    }
  })
}

function toStep({ run, copy, env, workdir, user }: TemplateStep): Step {
  if (run !== undefined) return { kind: 'run', command: run }
  if (copy !== undefined) {
    const { from, to, owner, mode } = copy
    const octal = mode === undefined ? null : Number.parseInt(mode, 8)
    return { kind: 'copy', sources: from, inline: [], target: to, owner: owner ?? null, mode: octal }
  }
  if (env !== undefined) return { kind: 'env', pairs: Object.entries(env) }
  if (workdir !== undefined) return { kind: 'workdir', path: workdir }
  return { kind: 'user', user: user ?? '' }
}
