import type { TemplateBuild, TemplateDefaults, TemplateInfo, BuildEvent as WireEvent } from '../../schemas/template.ts'
import type { BuildEvent, BuildView, TemplateView } from '../core/templates/model.ts'
import { timestamp } from '../http/timestamp.ts'
import { ID } from './examples.ts'

export function templateAnswer(view: TemplateView, build: BuildView | null): TemplateInfo {
  const { name, description, status, reason, from, built, env, labels, ready, startCommand } = view
  return {
    name,
    description,
    status,
    reason,
    from,
    built,
    build: build && buildAnswer(build),
    defaults: defaultsAnswer(view.defaults),
    start_command: Array.isArray(startCommand) ? startCommand.map(shellWord).join(' ') : startCommand,
    ready: ready && {
      ...(ready.command !== undefined && { command: ready.command }),
      ...(ready.port !== undefined && { port: ready.port }),
      timeout: ready.timeoutSeconds,
    },
    pool_size: view.poolSize,
    env,
    labels,
    exposed_ports: view.ports,
    size_bytes: view.sizeBytes,
    created_at: timestamp(view.createdAt),
    updated_at: timestamp(view.updatedAt),
  }
}

/** As one would write it for a shell. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function defaultsAnswer({ resources = {}, ...defaults }: TemplateView['defaults']): TemplateDefaults {
  const { cpus, memoryMb, pids, diskMb } = resources
  const limits = {
    ...(cpus !== undefined && { cpus }),
    ...(memoryMb !== undefined && { memory_mb: memoryMb }),
    ...(pids !== undefined && { pids }),
    ...(diskMb != null && { disk_mb: diskMb }),
  }
  const { timeoutSeconds: timeout, onTimeout, autoResume, envs, cwd, user, network, prestart } = defaults
  return {
    ...(Object.keys(limits).length > 0 && { resources: limits }),
    ...(timeout !== undefined && { timeout }),
    ...(onTimeout !== undefined && { on_timeout: onTimeout }),
    ...(autoResume !== undefined && { auto_resume: autoResume }),
    ...(envs !== undefined && { envs }),
    ...(cwd !== undefined && { cwd }),
    ...(user !== undefined && { user }),
    ...(network !== undefined && { network }),
    ...(prestart !== undefined && { prestart }),
  }
}

export function buildAnswer({
  id,
  template,
  status,
  step,
  steps,
  cached,
  failure,
  noCache,
  ...times
}: BuildView): TemplateBuild {
  return {
    build_id: id,
    template,
    status,
    step,
    steps,
    cached_steps: cached,
    failure: failure && {
      message: failure.message,
      step: failure.step,
      line: failure.line,
      text: failure.text,
      exit_code: failure.exitCode,
      output: failure.output,
    },
    no_cache: noCache,
    created_at: timestamp(times.createdAt),
    started_at: times.startedAt === null ? null : timestamp(times.startedAt),
    finished_at: times.finishedAt === null ? null : timestamp(times.finishedAt),
  }
}

export function buildEventAnswer(event: BuildEvent): WireEvent {
  if (event.type === 'dropped') return event
  const { timestampMs, ...rest } = event
  return { ...rest, timestamp: timestampMs / 1000 }
}

export const BUILD = {
  build_id: ID,
  template: 'web',
  status: 'ready',
  step: 3,
  steps: 3,
  cached_steps: 1,
  failure: null,
  no_cache: false,
  created_at: '2026-01-15T09:30:00.000Z',
  started_at: '2026-01-15T09:30:00.010Z',
  finished_at: '2026-01-15T09:30:04.210Z',
}

export const FAILED_BUILD = {
  ...BUILD,
  status: 'failed',
  step: 2,
  failure: {
    message: 'the step ended with exit code 100; see its output',
    step: 2,
    line: 3,
    text: 'RUN apt-get install -y nothing-of-that-name',
    exit_code: 100,
    output: 'E: Unable to locate package nothing-of-that-name\n',
  },
}

export const TEMPLATE = {
  name: 'web',
  description: '',
  status: 'ready',
  reason: null,
  from: 'debian:trixie-slim',
  built: true,
  build: BUILD,
  defaults: { timeout: 600, resources: { memory_mb: 512 } },
  start_command: 'python3 -m http.server 8080',
  ready: { port: 8080, timeout: 30 },
  pool_size: 2,
  env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', PORT: '8080' },
  labels: {},
  exposed_ports: ['8080'],
  size_bytes: 41_943_040,
  created_at: '2026-01-15T09:30:00.000Z',
  updated_at: '2026-01-15T09:30:04.210Z',
}

export const LOG_EXAMPLES = {
  step: {
    type: 'step',
    step: 2,
    steps: 3,
    line: 3,
    text: 'RUN pip install flask',
    cached: false,
    timestamp: 1_768_469_401.2,
    offset: 2,
  },
  stdout: { type: 'stdout', step: 2, text: 'Collecting flask\n', timestamp: 1_768_469_402.1, offset: 3 },
  end: { type: 'end', build: BUILD },
}
