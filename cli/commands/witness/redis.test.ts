/** What the commands do with a ledger in a folder they do with one on a Redis server. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { silentLog } from '#kernel'
import { appendItem, ledgerFiles, openLedger } from '#ledger'
import { startRedis } from '../../../ledger/testing/redis-server.ts'
import { ifctl, withFolder } from '../../testing/run.ts'

const origin = 'test.example/witness'

test('checkpoint, prove, verify, query, cosign, erase and rotate-key: by the folder, and to read by the address alone', async (t) => {
  const server = await startRedis()
  t.teardown(server.stop)
  await withFolder(async (data) => {
    const dir = join(data, 'ledger')
    const files = ledgerFiles(dir)
    const ledger = await openLedger({
      dir,
      origin,
      log: silentLog,
      store: { kind: 'redis', url: server.url },
      publishIntervalMs: 10
    })
    const event = { event: 'INVITE', component: 'IF.proxy', traceId: 'trace-1', payload: {} }
    await ledger.append(
      [0, 1, 2].map((at) => appendItem({ ...event, erasable: { at } }, at, `k:${at}`)),
      1
    )
    await ledger.close()
    t.false(existsSync(files.database))
    t.is(statSync(files.store).mode & 0o777, 0o600)

    const address = `${server.url}#${origin}`
    const json = async (...args: string[]) => {
      const { code, stdout, stderr } = await ifctl(['witness', ...args, '--json'])
      t.is(code, 0, `${args.join(' ')}: ${stderr}`)
      return JSON.parse(stdout.split('\n')[0]!)
    }
    for (const place of [dir, address]) {
      t.like(await json('checkpoint', '--ledger', place), { origin, size: 3 })
      t.like(await json('query', '--ledger', place, '--limit', '1'), { index: 0, erasable: { state: 'present' } })
      t.like(await json('verify', '--ledger', place, '--vkey', ledger.vkey, '--all'), { verdict: 'valid', entries: 3 })
      const proof = join(data, 'p')
      t.like(await json('prove', '1', '--ledger', place, '--out', proof), { index: 1, size: 3, published: place === dir })
      t.like(await json('prove', '--check', proof, '--vkey', ledger.vkey), { good: true })
    }
    t.like(await json('erase', '--ledger', dir, '--entry', '1', '--reason', 'asked for', '--spool', data), {
      erased: 1,
      index: 3
    })
    const { vkey } = await json('rotate-key', '--ledger', dir)
    t.like(await json('verify', '--ledger', dir, '--vkey', ledger.vkey, '--all'), { verdict: 'valid', entries: 5 })
    t.like(await json('verify', '--ledger', address, '--vkey', vkey), { verdict: 'valid', entries: 5 })

    const seat = ['--key', join(data, 'seat.pem'), '--state', join(data, 'seat.db'), '--name', 'seat.example/1', '--vkey', vkey]
    const head = join(data, 'head')
    for (const place of [dir, address]) {
      const { note } = await json('checkpoint', '--ledger', place)
      await ifctl(['witness', 'log', '--ledger', dir, '--event', 'E', '--component', 'IF.a'])
      const { writeFile } = await import('node:fs/promises')
      await writeFile(head, note)
      t.regex(
        (await json('cosign', ...seat, '--create', '--checkpoint', head, '--ledger', place)).cosignature,
        /^— seat\.example\/1 /
      )
    }
    t.is((await ifctl(['witness', 'rotate-key', '--ledger', address])).code, 2)
    t.is((await ifctl(['witness', 'verify', '--ledger', address])).code, 2)
    t.regex((await ifctl(['witness', 'checkpoint', '--ledger', server.url])).stderr, /behind #/)
    const other = openLedger({ dir, origin, log: silentLog, store: { kind: 'sqlite' } })
    await t.throwsAsync(other, { code: 'ledger.store.other' })
    await server.kill()
    const away = await ifctl(['witness', 'verify', '--ledger', address, '--vkey', vkey])
    t.regex(away.stderr, /ledger\.unreadable/)
  })
})

test('while another process leads, erase and rotate-key change nothing and say what to do', async (t) => {
  const server = await startRedis()
  t.teardown(server.stop)
  await withFolder(async (data) => {
    const dir = join(data, 'ledger')
    const { keys } = ledgerFiles(dir)
    const leader = await openLedger({ dir, origin, log: silentLog, store: { kind: 'redis', url: server.url } })
    t.teardown(leader.close)
    const told = { event: 'E', component: 'IF.a', traceId: 'a', payload: {}, erasable: { said: 'x' } }
    await leader.append([appendItem(told, 0, 'k:0')], 1)
    const erase = () => ifctl(['witness', 'erase', '--ledger', dir, '--entry', '0', '--reason', 'asked for', '--spool', data])
    const rotate = () => ifctl(['witness', 'rotate-key', '--ledger', dir])
    for (const command of [erase, rotate]) {
      const { code, stderr } = await command()
      t.is(code, 1)
      t.regex(stderr, /writes to the log in .*: nothing was changed\. Stop that process.*\(ledger\.store\.not-leader\)/)
    }
    t.deepEqual(readdirSync(keys), [], 'no key is left that never signed')
    t.is((await leader.reader.query({})).length, 1)
    await leader.append([appendItem(told, 0, 'k:1')], 1)
    await leader.close()
    for (const command of [erase, rotate]) t.is((await command()).code, 0)
    t.is((await ifctl(['witness', 'verify', '--ledger', dir, '--vkey', leader.vkey, '--all'])).code, 0)
  })
})
