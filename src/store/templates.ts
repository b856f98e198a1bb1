import type { Database, Row } from './database.ts'

export interface TemplateRow {
  name: string
  /** JSON. */
  body: string
}

export interface BuildRow {
  id: string
  template: string
  /** JSON. */
  body: string
}

export interface LayerRow {
  id: string
  /** JSON. */
  body: string
}

/** Templates, what they are built of, their builds with logs, and the images that builds made. */
export interface TemplateTables {
  templates(): TemplateRow[]
  /** Inserts or replaces; the source stays. */
  saveTemplate(row: TemplateRow): void
  /** With its source and its builds. */
  removeTemplate(name: string): void
  /** JSON of what it is built of; null: it is not built. */
  sourceOf(template: string): string | null
  saveSource(template: string, source: string | null): void
  /** Without their logs, in the order in which they were asked for. */
  builds(): BuildRow[]
  saveBuild(row: BuildRow): void
  removeBuild(id: string): void
  /** JSON; null: none was kept. */
  logOf(build: string): string | null
  saveLog(build: string, log: string): void
  layers(): LayerRow[]
  saveLayer(row: LayerRow): void
  removeLayer(id: string): void
}

export function templateTables(db: Database): TemplateTables {
  const templates = db.prepare('SELECT name, body FROM templates ORDER BY rowid')
  const saveTemplate = db.prepare(
    'INSERT INTO templates (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body',
  )
  const removeTemplate = db.prepare('DELETE FROM templates WHERE name = ?')
  const removeBuilds = db.prepare('DELETE FROM template_builds WHERE template = ?')
  const source = db.prepare('SELECT source FROM templates WHERE name = ?')
  const saveSource = db.prepare('UPDATE templates SET source = ? WHERE name = ?')
  const builds = db.prepare('SELECT id, template, body FROM template_builds ORDER BY rowid')
  const saveBuild = db.prepare(
    'INSERT INTO template_builds (id, template, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
  )
  const removeBuild = db.prepare('DELETE FROM template_builds WHERE id = ?')
  const log = db.prepare('SELECT log FROM template_builds WHERE id = ?')
  const saveLog = db.prepare('UPDATE template_builds SET log = ? WHERE id = ?')
  const layers = db.prepare('SELECT id, body FROM template_layers ORDER BY rowid')
  const saveLayer = db.prepare(
    'INSERT INTO template_layers (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body',
  )
  const removeLayer = db.prepare('DELETE FROM template_layers WHERE id = ?')
  const textOf = (value: unknown) => (typeof value === 'string' ? value : null)
  const idAndBody = ({ id, body }: Row) => ({ id: String(id), body: String(body) })
  return {
    templates: () => templates.all().map(({ name, body }) => ({ name: String(name), body: String(body) })),
    saveTemplate: ({ name, body }) => void saveTemplate.run(name, body),
    removeTemplate: (name) =>
      db.transaction(() => {
        removeTemplate.run(name)
        removeBuilds.run(name)
      }),
    sourceOf: (name) => textOf(source.get(name)?.source),
    saveSource: (name, text) => void saveSource.run(text, name),
    builds: () => builds.all().map((row) => ({ ...idAndBody(row), template: String(row.template) })),
    saveBuild: ({ id, template, body }) => void saveBuild.run(id, template, body),
    removeBuild: (id) => void removeBuild.run(id),
    logOf: (id) => textOf(log.get(id)?.log),
    saveLog: (id, text) => void saveLog.run(text, id),
    layers: () => layers.all().map(idAndBody),
    saveLayer: ({ id, body }) => void saveLayer.run(id, body),
    removeLayer: (id) => void removeLayer.run(id),
  }
}
