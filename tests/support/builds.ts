import type Docker from 'dockerode'
import type {
  BuildEvent,
  BuildLogPage,
  TemplateBuild,
  TemplateCreate,
  TemplateInfo,
  TemplateRebuild,
} from '../../schemas/template.ts'
import type { Static } from '../../schemas/typebox.ts'
import type { Live } from './live.ts'
import { readEvents } from './read-events.ts'
import { waitFor } from './wait-for.ts'

/** Templates and their builds as a client has them. */
export function templatesOf(live: Live) {
  const build = (template: string, id: string) =>
    live.api.json<TemplateBuild>('GET', `/templates/${template}/builds/${id}`)

  async function follow(path: string, body: TemplateCreate | TemplateRebuild): Promise<BuildEvent[]> {
    const response = await fetch(`${live.api.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    })
    if (response.status !== 200) throw new Error(`answered ${response.status}: ${await response.text()}`)
    return await Array.fromAsync(readEvents<BuildEvent>(response, 'text/event-stream'))
  }

  return {
    create: (body: TemplateCreate) => live.api.json<TemplateInfo>('POST', '/templates', body),
    get: (name: string) => live.api.json<TemplateInfo>('GET', `/templates/${name}`),
    build,
    log: (template: string, id: string) =>
      live.api.json<Static<typeof BuildLogPage>>('GET', `/templates/${template}/builds/${id}/log`),
    /** Its build, when it is over. */
    async over(template: string, id?: string): Promise<TemplateBuild> {
      const { build: latest } = await live.api.json<TemplateInfo>('GET', `/templates/${template}`)
      const wanted = id ?? latest?.build_id ?? ''
      return await waitFor('the build to be over', async () => {
        const now = await build(template, wanted)
        return now.status === 'queued' || now.status === 'building' ? null : now
      })
    },
    /** All that happens in the build. */
    created: (body: TemplateCreate) => follow('/templates', body),
    rebuilt: (name: string, body: TemplateRebuild = {}) => follow(`/templates/${name}/rebuild`, body),
  }
}

/** Its last event is the end of a build. */
export function endOf(events: BuildEvent[]): TemplateBuild {
  const last = events.at(-1)
  if (last?.type !== 'end') throw new Error(`the build has no end: ${JSON.stringify(last)}`)
  return last.build
}

export function outputOf(events: BuildEvent[]): string {
  return events.map((event) => (event.type === 'stdout' || event.type === 'stderr' ? event.text : '')).join('')
}

/** Images of builds, of one instance. */
export async function layersOf(docker: Docker, instance: string): Promise<string[]> {
  const filters = JSON.stringify({ label: [`k2.instance=${instance}`] })
  const images = await docker.listImages({ all: true, filters } as object)
  return images.map(({ Id }) => Id)
}
