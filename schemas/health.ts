import { type Static, StringEnum, Type } from './typebox.ts'

export const Message = Type.Object(
  { message: Type.String({ description: 'Always `K2 Sandbox Management API`.' }) },
  { $id: 'Message', description: 'What answers here.' },
)
export type Message = Static<typeof Message>

export const Health = Type.Object(
  {
    status: StringEnum(['ok'], { description: '`ok`. Anything else is a Problem.' }),
    version: Type.String({ description: "The server's version." }),
  },
  { $id: 'Health', description: 'The process lives and answers.' },
)
export type Health = Static<typeof Health>

export const Readiness = Type.Object(
  {
    status: StringEnum(['ready'], { description: '`ready`: sandboxes can be made. Anything else is a Problem.' }),
    version: Type.String({ description: "The server's version." }),
    engine: Type.Object(
      {
        name: Type.String({ description: '`docker`, or `local` (no isolation, for development).' }),
        version: Type.String({ description: "The engine's version." }),
        link: Type.String({
          description: 'How the server reaches the inside of a sandbox: `dial`, `exec` or `stdio`.',
        }),
      },
      { description: 'What runs the sandboxes.' },
    ),
    leftovers: Type.Object(
      {
        helpers: Type.Integer({ description: 'Containers that were to carry something into a volume.' }),
        link_folders: Type.Integer({ description: 'Folders of links to sandboxes that are gone.' }),
        agent_volumes: Type.Integer({ description: 'Volumes of agents that no sandbox runs any more.' }),
        strangers: Type.Integer({
          description:
            "Not removed: containers that carry this instance's name without its signature, as they are now.",
        }),
      },
      { description: 'What crashes and upgrades had left, and was removed since the start.' },
    ),
  },
  { $id: 'Readiness', description: 'The engine is reachable.' },
)
export type Readiness = Static<typeof Readiness>
