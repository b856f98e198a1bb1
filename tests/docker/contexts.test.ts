import { describe, expect, test } from 'vitest'
import { describeContexts } from '../support/behaviour/contexts.ts'
import { LINKS, useServer } from '../support/live.ts'

describe.each(LINKS)('over the %s link', (link) => {
  const live = useServer({ link })
  describeContexts(live)

  test('each user has contexts of their own', async () => {
    const { sandbox_id: id } = await live.api.create()
    const whoami = 'import os; os.getuid()'
    expect(await live.api.code(id, `x = 1; ${whoami}`)).toMatchObject({ text: '1000', context_id: 'default-python' })
    const root = await live.api.code(id, `print("x" in globals()); ${whoami}`, { user: 'root' })
    expect(root).toMatchObject({ text: '0', logs: { stdout: [{ line: 'False\n' }] } })
    expect(await live.api.code(id, 'x')).toMatchObject({ text: '1' })
    await live.api.delete(id)
  })

  test('contexts survive a crash of the server, and end with the processes of the sandbox', async () => {
    const { sandbox_id: id } = await live.api.create()
    await live.api.code(id, 'x = 41')
    await live.server.kill()
    await live.server.startAgain()
    expect(await live.api.code(id, 'x + 1')).toMatchObject({ text: '42', state_lost: false })
    await live.api.action(id, 'restart')
    expect(await live.api.code(id, 'x')).toMatchObject({ error: { name: 'NameError' } })
    await live.api.delete(id)
  })

  test('a plot that is not shown is not lost, and comes as a picture and as data', async () => {
    const { sandbox_id: id } = await live.api.create()
    const { results, error } = await live.api.code(
      id,
      'import matplotlib.pyplot as plt\nplt.plot([1, 2, 3], [4, 5, 6], label="a")\nplt.title("T")\nNone',
    )
    expect(error).toBeNull()
    expect(results).toHaveLength(1)
    expect(results[0]).toMatchObject({ type: 'image/png', chart: { type: 'line', title: 'T' } })
    expect(
      Buffer.from(results[0]?.png ?? '', 'base64')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
    await live.api.delete(id)
  })

  test('a data frame comes as text, html and data', async () => {
    const { sandbox_id: id } = await live.api.create()
    const { results } = await live.api.code(id, 'import pandas\npandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})')
    expect(results).toMatchObject([
      {
        type: 'text/html',
        is_main_result: true,
        data: { a: [1, 2], b: ['x', 'y'] },
        html: expect.stringContaining('<table'),
      },
    ])
    await live.api.delete(id)
  })
})
