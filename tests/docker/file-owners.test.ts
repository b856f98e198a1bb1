import { describe, expect, test } from 'vitest'
import { useSandbox, useServer } from '../support/live.ts'

const live = useServer()
const box = useSandbox(live)
const call = (request: object) =>
  live.api.json<Record<string, unknown>>('POST', `/sandboxes/${box.id}/filesystem`, request)
const refused = (request: object) => live.api.refused('POST', `/sandboxes/${box.id}/filesystem`, request)

test('what is written belongs to the user, with the folders above it', async () => {
  await call({ action: 'write', path: 'new/deep/file', content: 'x' })
  expect(await live.api.output(box.id, 'stat -c "%U:%G %a" new new/deep new/deep/file')).toBe(
    'user:user 755\nuser:user 755\nuser:user 644',
  )
})

test('a write as another user belongs to that one', async () => {
  await call({ action: 'write', path: '/srv/of-root/file', content: 'x', user: 'root' })
  await call({ action: 'write', path: '/tmp/of-nobody', content: 'x', user: 'nobody' })
  expect(await live.api.output(box.id, 'stat -c %U:%G /srv/of-root /srv/of-root/file /tmp/of-nobody')).toBe(
    'root:root\nroot:root\nnobody:nogroup',
  )
})

test.each([
  [{ action: 'read', path: '/etc/shadow' }],
  [{ action: 'write', path: '/etc/new', content: '' }],
  [{ action: 'write', path: '/etc/passwd', content: '' }],
  [{ action: 'delete', path: '/etc/passwd' }],
  [{ action: 'list', path: '/root' }],
  [{ action: 'write', path: '/new-folder/file', content: '' }],
])('%j is not allowed to the user', async (request) => {
  expect(await refused(request)).toMatchObject({
    status: 403,
    code: 'PERMISSION_DENIED',
    detail: expect.stringContaining(String(request.path)),
  })
})

test('root may read what is root only', async () => {
  expect((await call({ action: 'read', path: '/etc/shadow', user: 'root' })).content).toContain('root:')
})

test('an unknown user is told', async () => {
  expect(await refused({ action: 'list', user: 'ghost' })).toMatchObject({ status: 400, code: 'USER_NOT_FOUND' })
})

describe('files of the agent', () => {
  test.each([
    '/proc/1/environ',
    '/proc/1/mem',
    '/proc/1/root/etc/shadow',
    '/proc/1/cwd/etc/passwd',
    '/proc/self/environ',
    '/proc/thread-self/environ',
    '/.k2/agent',
  ])('%s can not be written or deleted, nor, in /proc, read, not even by root', async (path) => {
    for (const user of ['user', 'root']) {
      if (path.startsWith('/proc'))
        expect((await refused({ action: 'read', path, encoding: 'base64', user })).status).toBeLessThan(500)
      expect((await refused({ action: 'write', path, content: 'x', user })).status).toBeLessThan(500)
      expect((await refused({ action: 'delete', path, user })).status).toBeLessThan(500)
    }
  })

  test('can not be reached through a link', async () => {
    await live.api.output(box.id, 'ln -sf /proc/1/environ environ; ln -sfn /proc/1 one; ln -sfn /proc/self me')
    for (const path of ['environ', 'one/environ', 'me/environ', 'one/root/etc/shadow']) {
      for (const user of ['user', 'root'])
        expect((await refused({ action: 'read', path, encoding: 'base64', user })).status).toBeLessThan(500)
    }
  })

  test('its folder can not be deleted', async () => {
    expect((await refused({ action: 'delete', path: '/.k2', user: 'root' })).status).toBeLessThan(500)
    expect((await refused({ action: 'delete', path: '/.k2run', user: 'root' })).status).toBeLessThan(500)
    expect(await live.api.output(box.id, 'ls /.k2')).toContain('agent')
  })
})

test('a link of the user does not make root write where it points unasked: the link itself is followed as the kernel does', async () => {
  await live.api.output(box.id, 'mkdir -p box && ln -sfn /etc box/etc')
  expect(await refused({ action: 'write', path: 'box/etc/k2-test', content: 'x' })).toMatchObject({ status: 403 })
})
