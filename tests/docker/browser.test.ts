/** A sandbox's servers as somebody sees them in a browser. */
import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'
import type { PortStatus } from '../../schemas/port.ts'
import { openBrowser } from '../setup/browser.ts'
import { useServer } from '../support/live.ts'

const MODULES = new URL('../../node_modules/', import.meta.url)
const INSTALL_MS = 600_000

const live = useServer()
const local = useServer({ engine: 'local' })
let browser: Browser | string = ''

beforeAll(async () => {
  browser = await openBrowser()
}, INSTALL_MS)
afterAll(async () => {
  if (typeof browser === 'object') await browser.close()
})

async function openPage(context: TestContext): Promise<Page> {
  if (typeof browser === 'string') return context.skip(browser)
  return await browser.newPage()
}

const terminalPage = (pty: string) => `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="xterm.css">
<div id="terminal"></div><script src="xterm.js"></script><script src="addon-attach.js"></script><script>
const terminal = new Terminal({ cols: 90, rows: 25 })
terminal.open(document.getElementById('terminal'))
const socket = new WebSocket(${JSON.stringify(pty)})
socket.onopen = () => { document.title = 'open' }
socket.onclose = ({ code, reason }) => { document.title = 'closed ' + code + ' ' + reason }
terminal.loadAddon(new AttachAddon.AttachAddon(socket))
terminal.focus()
window.screenText = () => Array.from({ length: 25 }, (_, row) => terminal.buffer.active.getLine(row)?.translateToString(true)).join('\\n')
</script>`

test('xterm.js on a page served from inside a sandbox, where the operator allows its origin, and only there', async (context) => {
  const page = await openPage(context)
  const { sandbox_id: id } = await live.api.create({ network: 'none' })
  const port = new URL(live.api.url).port
  const origin = `http://8080-${id}.localhost:${port}`
  const files: [string, string | Buffer][] = [
    ['xterm.js', await readFile(new URL('@xterm/xterm/lib/xterm.js', MODULES))],
    ['xterm.css', await readFile(new URL('@xterm/xterm/css/xterm.css', MODULES))],
    ['addon-attach.js', await readFile(new URL('@xterm/addon-attach/lib/addon-attach.js', MODULES))],
    ['index.html', terminalPage(`ws://127.0.0.1:${port}/sandboxes/${id}/pty?cols=90&rows=25`)],
  ]
  for (const [name, content] of files) {
    const url = `${live.api.url}/sandboxes/${id}/files?path=site/${name}`
    expect(
      (await fetch(url, { method: 'PUT', body: typeof content === 'string' ? content : new Uint8Array(content) }))
        .status,
    ).toBe(200)
  }
  await page.goto(`${origin}/`)
  await page.getByText('Nothing listens on port 8080').waitFor()
  // The page that waits finds the server when it comes.
  const argv = ['python3', '-m', 'http.server', '8080', '--bind', '127.0.0.1', '-d', 'site']
  await live.api.startProcess(id, { argv })
  await page.locator('.xterm-screen').waitFor()
  await page.waitForFunction('document.title.startsWith("closed 1006")')

  await live.server.terminate()
  await live.server.startAgain({ K2_PORT: port, K2_ALLOWED_ORIGINS: origin })
  await page.goto(`${origin}/`)
  await page.waitForFunction('document.title === "open"')
  await page.keyboard.type('printf "\\e[1mbold\\e[0m %s\\n" "$((6 * 7)) äöü 界"; stty size\n')
  await page.waitForFunction('window.screenText().includes("bold 42 äöü 界\\n25 90")')
  await page.keyboard.type('sleep 60\n')
  await page.keyboard.press('Control+C')
  await page.keyboard.type('exit 5\n')
  await page.waitForFunction('document.title === "closed 1000 exit 5"')
  await page.close()
  await live.api.delete(id)
})

test('a page under the origin of the API has no origin, and reaches nothing of it', async (context) => {
  const page = await openPage(context)
  const { sandbox_id: id } = await live.api.create()
  const script = `<!doctype html><title>?</title><script>
    const tries = ['/sandboxes', '/healthz', location.pathname]
    Promise.all(tries.map((url) => fetch(url).then((answer) => answer.status, () => 'refused')))
      .then((all) => { document.title = [window.origin, ...all].join(' ') })
    try { document.cookie = 'a=b'; localStorage.setItem('a', 'b') } catch {}
  </script>`
  await live.api.write(id, 'site/index.html', script)
  await live.api.startProcess(id, { argv: ['python3', '-m', 'http.server', '8080', '-d', 'site'] })
  await live.api.json<PortStatus>('GET', `/sandboxes/${id}/ports/8080?wait=20`)
  await page.goto(`${live.api.url}/sandboxes/${id}/ports/8080/`)
  await page.waitForFunction('document.title !== "?"')
  expect(await page.title()).toBe('null refused refused refused')
  expect(await page.context().cookies()).toEqual([])
  await page.close()
  await live.api.delete(id)
})

test('Vite with hot reload through a site: an edit is on the page without a reload', async (context) => {
  const page = await openPage(context)
  const { sandbox_id: id } = await local.api.create()
  const port = 28_471
  await local.api.write(
    id,
    'index.html',
    '<!doctype html><body><h1 id="shown"></h1><script type="module" src="/main.js"></script>',
  )
  const main =
    'import { text } from "./text.js"\nconst show = (text) => { shown.textContent = text }\nshow(text)\nimport.meta.hot.accept("./text.js", (next) => show(next.text))\nwindow.loads = (window.loads ?? 0) + 1\n'
  await local.api.write(id, 'main.js', main)
  await local.api.write(id, 'text.js', 'export const text = "before"\n')
  const vite = new URL('vite/bin/vite.js', MODULES).pathname
  const argv = [process.execPath, vite, '--port', String(port), '--strictPort', '--host', '127.0.0.1']
  const { process_id } = await local.api.startProcess(id, { argv })
  const { open } = await local.api.json<PortStatus>('GET', `/sandboxes/${id}/ports/${port}?wait=30`)
  if (!open) throw new Error(`vite did not start: ${JSON.stringify(await local.api.processOutput(id, process_id))}`)
  await page.goto(`http://${port}-${id}.localhost:${new URL(local.api.url).port}/`)
  await page.waitForFunction('shown.textContent === "before"')
  await page.evaluate('window.notReloaded = true')
  await local.api.write(id, 'text.js', 'export const text = "after"\n')
  await page.waitForFunction('shown.textContent === "after"')
  expect(await page.evaluate('window.notReloaded')).toBe(true)
  await page.close()
  await local.api.delete(id)
})
