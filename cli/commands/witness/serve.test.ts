import { once } from 'node:events'
import { join } from 'node:path'
import test from 'ava'
import { finished, ifctl, start, withFolder } from '../../testing/run.ts'

test('a served ledger answers who has a token, and ends cleanly', async (t) => {
  t.timeout(60_000)
  await withFolder(async (folder) => {
    const ledger = ['--ledger', join(folder, 'ledger')]
    t.is((await ifctl(['witness', 'serve', ...ledger])).code, 1)
    await ifctl(['witness', 'log', ...ledger, '--create', '--event', 'a', '--component', 'IF.test'])
    const made = await ifctl(['witness', 'token', 'add', 'ann', '--role', 'auditor', ...ledger, '--json'])
    const { token, id } = JSON.parse(made.stdout) as { token: string; id: string }
    const list = await ifctl(['witness', 'token', 'list', ...ledger])
    t.true(list.stdout.includes(id) && list.stdout.includes('ann') && !list.stdout.includes(token))
    t.is((await ifctl(['witness', 'token', 'add', 'Ann!', '--role', 'auditor', ...ledger])).code, 1)
    t.is((await ifctl(['witness', 'token', 'add', 'ann', '--role', 'king', ...ledger])).code, 2)
    t.is((await ifctl(['witness', 'serve', '--listen', '0.0.0.0:0', ...ledger])).code, 1)

    const child = start(['witness', 'serve', '--listen', '127.0.0.1:0', '--json', ...ledger])
    t.teardown(() => void child.kill('SIGKILL'))
    const ended = finished(child)
    let url = ''
    for (let text = ''; url === ''; ) {
      const [part] = (await once(child.stdout, 'data')) as [string]
      text += part
      url = /"type":"ready","url":"([^"]+)"/.exec(text)?.[1] ?? ''
    }
    const answer = await fetch(`${url}/v1/entries`, { headers: { authorization: `Bearer ${token}` } })
    t.is(((await answer.json()) as { size: number }).size, 1)
    t.is((await fetch(`${url}/v1/entries`)).status, 401)
    t.is((await ifctl(['witness', 'token', 'revoke', id, ...ledger])).code, 0)
    t.is((await ifctl(['witness', 'token', 'revoke', id, ...ledger])).code, 1)
    child.kill('SIGTERM')
    const { code, stdout } = await ended
    t.is(code, 0)
    t.false(stdout.includes(token))
  })
})
