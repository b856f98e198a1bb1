/** Programs that people use, against the real thing. */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PortStatus } from '../../schemas/port.ts'
import { ensureImage, POSTGRES_IMAGE } from '../setup/images.ts'
import { runContainer } from '../setup/run-container.ts'
import { useEngine, useSandbox, useServer } from '../support/live.ts'
import { serveTunnel } from '../support/tunnel-server.ts'

const MIB = 1024 * 1024
const run = promisify(execFile)

const live = useServer()
const box = useSandbox(live, { network: 'none' })
const engine = useEngine()
const files = (path: string) => `${live.api.url}/sandboxes/${box.id}/files?path=${path}`
const archive = (path: string) => `${live.api.url}/sandboxes/${box.id}/archive?path=${path}`
const ready = (id: string, port: number) => live.api.json<PortStatus>('GET', `/sandboxes/${id}/ports/${port}?wait=30`)
const shell = (command: string) => run('/bin/sh', ['-c', command], { cwd: folder, maxBuffer: 16 * MIB })
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp('/tmp/k2c-')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('curl writes, reads, takes up a download that broke off, and is told when it has all', async () => {
  const bytes = randomBytes(9 * MIB)
  await writeFile(join(folder, 'up'), bytes)
  const put = await run('curl', ['-sSf', '-T', join(folder, 'up'), files('curl.bin')])
  expect(JSON.parse(put.stdout)).toMatchObject({ size: bytes.length })
  await writeFile(join(folder, 'down'), bytes.subarray(0, 4 * MIB + 5))
  const resume = ['-sSf', '-C', '-', '-o', join(folder, 'down'), files('curl.bin')]
  await run('curl', resume)
  expect((await readFile(join(folder, 'down'))).equals(bytes)).toBe(true)
  const part = await run('curl', ['-sSf', '-r', '-16', files('curl.bin')], { encoding: 'buffer' })
  expect(part.stdout.equals(bytes.subarray(-16))).toBe(true)
  const etag = await run('curl', [
    '-sSf',
    '--etag-save',
    join(folder, 'etag'),
    '-o',
    join(folder, 'again'),
    files('curl.bin'),
  ])
  expect(etag.stderr).toBe('')
  const same = await run('curl', [
    '-sS',
    '--etag-compare',
    join(folder, 'etag'),
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    files('curl.bin'),
  ])
  expect(same.stdout).toBe('304')
})

test('tar pipes both ways', async () => {
  await shell(
    'mkdir -p out/sub && echo one > out/one && head -c 3000000 /dev/urandom > out/sub/big && ln -s sub/big out/link',
  )
  await shell(`tar cz -C out . | curl -sSf -T - '${archive('piped')}'`)
  await shell(`mkdir back && curl -sSf '${archive('piped')}&format=tar.gz' | tar xz -C back`)
  const { stdout } = await shell('diff -r out back && readlink back/link && cat back/one')
  expect(stdout).toBe('sub/big\none\n')
})

test('a form of curl writes several files', async () => {
  await shell('echo a > a.txt && echo b > b.txt')
  await shell(
    `curl -sSf -F 'f=@a.txt;filename=form/x/a.txt' -F 'f=@b.txt;filename=form/b.txt' '${live.api.url}/sandboxes/${box.id}/files'`,
  )
  expect(await live.api.output(box.id, 'cat form/x/a.txt form/b.txt')).toBe('a\nb')
})

test('git clones from a server in a sandbox without a network, and pushes to it', async () => {
  const setUp = `
    git init -q --bare -b main served/cgi-bin/repo.git && git -C served/cgi-bin/repo.git config http.receivepack true
    git init -q -b main work && cd work && git config user.email a@b && git config user.name a
    head -c 4000000 /dev/urandom > big && echo first > file && git add . && git commit -qm first
    git push -q ../served/cgi-bin/repo.git main
    printf '#!/bin/sh\\nexport GIT_PROJECT_ROOT=$HOME/served/cgi-bin GIT_HTTP_EXPORT_ALL=1\\nexec git http-backend\\n' > ../served/cgi-bin/git
    chmod 755 ../served/cgi-bin/git`
  await live.api.output(box.id, setUp)
  const serve = 'cd served && exec python3 -W ignore -m http.server --cgi --bind 127.0.0.1 9418'
  const { process_id } = await live.api.startProcess(box.id, { command: serve })
  await ready(box.id, 9418)
  const url = `${live.api.url}/sandboxes/${box.id}/ports/9418/cgi-bin/git/repo.git`
  await shell(`git clone -q '${url}' cloned`)
  expect(await readFile(join(folder, 'cloned', 'file'), 'utf8')).toBe('first\n')
  await shell(
    'cd cloned && git config user.email c@d && git config user.name c && echo second > file && git commit -qam second && git push -q origin main',
  )
  expect(await live.api.output(box.id, 'git -C served/cgi-bin/repo.git show main:file')).toBe('second')
  await live.api.json('DELETE', `/sandboxes/${box.id}/processes/${process_id}`)
})

test('psql works through the tunnel', async () => {
  await ensureImage(engine.docker, POSTGRES_IMAGE)
  const { sandbox_id: id } = await live.api.create({ template: POSTGRES_IMAGE, network: 'none' })
  const start = `
    export PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin)
    initdb -D data -U user --auth=trust >/dev/null && exec postgres -D data -k /tmp -h 127.0.0.1`
  const { process_id } = await live.api.startProcess(id, { command: start, tag: 'database' })
  if (!(await ready(id, 5432)).open)
    throw new Error(`no database: ${JSON.stringify(await live.api.processOutput(id, process_id))}`)
  await using tunnel = await serveTunnel(`${live.api.url}/sandboxes/${id}/tunnel?port=5432`)
  const statement =
    'create table t as select n, md5(n::text) from generate_series(1, 50000) n; select count(*), max(n) from t'
  const connection = `host=127.0.0.1 port=${tunnel.port} user=user dbname=postgres connect_timeout=20`
  const psql = async (...args: string[]) =>
    runContainer(engine.docker, {
      image: POSTGRES_IMAGE,
      argv: ['psql', connection, '-At', ...args],
      hostConfig: { NetworkMode: 'host' },
    })
  expect(await psql('-c', statement)).toEqual({ exitCode: 0, output: 'SELECT 50000\n50000|50000\n' })
  const dump = await psql('-c', 'copy t to stdout')
  expect(dump.output.split('\n')).toHaveLength(50_001)
  await live.api.delete(id)
})

test('a gigabyte of output passes through, in a server that does not grow', async () => {
  const { process_id } = await live.api.startProcess(box.id, {
    argv: ['sh', '-c', 'read go; head -c 1073741824 /dev/zero'],
    stdin: true,
  })
  const path = `${live.api.url}/sandboxes/${box.id}/processes/${process_id}`
  const answer = await fetch(`${path}/output`, { headers: { accept: 'application/octet-stream' } })
  const before = await live.server.residentBytes()
  await live.api.type(box.id, process_id, '\n')
  let sizeBytes = 0
  let most = before
  for await (const chunk of answer.body ?? []) {
    const last = sizeBytes
    sizeBytes += chunk.length
    if (Math.floor(last / (64 * MIB)) !== Math.floor(sizeBytes / (64 * MIB)))
      most = Math.max(most, await live.server.residentBytes())
  }
  expect(sizeBytes).toBe(1024 * MIB)
  expect(most - before).toBeLessThan(160 * MIB)
}, 120_000)

test('two gigabytes of a file go in and out, in a server that does not grow', async () => {
  const make = 'head -c 2147483648 /dev/zero | tr "\\0" "k" > huge'
  await live.api.output(box.id, make)
  const before = await live.server.residentBytes()
  let most = before
  const watch = setInterval(async () => {
    most = Math.max(most, await live.server.residentBytes())
  }, 200)
  const copy = `curl -sSf '${files('huge')}' | curl -sSf -T - '${files('huger')}'`
  await shell(copy)
  clearInterval(watch)
  const hash = createHash('sha256')
  for (let part = 0; part < 2048; part++) hash.update(Buffer.alloc(MIB, 'k'))
  const head = await fetch(files('huger'), { method: 'HEAD', headers: { 'want-repr-digest': 'sha-256=1' } })
  expect(head.headers.get('content-length')).toBe(String(2048 * MIB))
  expect(head.headers.get('repr-digest')).toBe(`sha-256=:${hash.digest('base64')}:`)
  expect(most - before).toBeLessThan(200 * MIB)
  await live.api.output(box.id, 'rm huge huger')
}, 180_000)
