import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { describeEgress } from '../support/behaviour/egress.ts'
import { useServer } from '../support/live.ts'

describeEgress(useServer({ engine: 'local' }))

describe.skipIf(!hasOpenssl())('over TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'k2-tls-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost'
  const names = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert]
  execFileSync('openssl', [...request.split(' '), ...names], { stdio: 'ignore' })
  const live = useServer({ engine: 'local', settings: { NODE_EXTRA_CA_CERTS: cert } })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('a plain request goes on encrypted, with the credentials of the list; CONNECT stays the program’s own', async () => {
    const web = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ url, headers }, response) => {
      response.end(JSON.stringify({ url, headers }))
    })
    web.listen(0, '127.0.0.1')
    await once(web, 'listening')
    const { port } = web.address() as AddressInfo
    const headers = { authorization: 'Bearer s3cret' }
    const allow = [
      { host: 'localhost', ports: [port], tls: true, headers },
      { cidr: '127.0.0.0/8', ports: [port] },
    ]
    const { sandbox_id: id } = await live.api.create({ egress: { allow } })
    const seen = async (words: string) => JSON.parse(await live.api.output(id, `curl -s --noproxy '' ${words}`))
    expect(await seen(`http://localhost:${port}/a`)).toMatchObject({
      url: '/a',
      headers: { ...headers, host: `localhost:${port}` },
    })
    const own = await seen(`-k https://localhost:${port}/b`)
    expect(own.url).toBe('/b')
    expect(own.headers).not.toHaveProperty('authorization')
    await live.api.delete(id)
    web.closeAllConnections()
    web.close()
  })
})

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
