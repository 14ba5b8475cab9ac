/** Commands about witnesses, proofs, keys and erasing. */
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'ava'
import { silentLog } from '#kernel'
import { appendItem, ledgerFiles, openLedger } from '#ledger'
import { ifctl, start, withFolder } from '../../testing/run.ts'

const origin = 'test.example/witness'
const secret = 'the caller said his name was Aloysius'

/** Writes `count` entries with erasable payloads into the ledger of the data folder. */
async function fill(data: string, count: number): Promise<string> {
  const ledger = await openLedger({ dir: join(data, 'ledger'), origin, log: silentLog, publishIntervalMs: 10 })
  const event = { event: 'INVITE', component: 'IF.proxy', traceId: 'trace-1', payload: {} }
  const items = Array.from({ length: count }, (_, at) =>
    appendItem({ ...event, erasable: { said: secret, at } }, at, `${Math.random()}`)
  )
  await ledger.append(items, 1)
  await ledger.close()
  return ledger.vkey
}

test('a proof is made from the ledger and checked without it; what is wrong with one is told apart', async (t) => {
  await withFolder(async (data) => {
    const vkey = await fill(data, 20)
    const file = join(data, 'entry.tlog-proof')
    const made = await ifctl(['witness', 'prove', '7', '--data', data, '--out', file, '--json'])
    t.like(JSON.parse(made.stdout), { index: 7, published: true, size: 20, origin, file })
    const check = (path: string, ...more: string[]) => ifctl(['witness', 'prove', '--check', path, ...more, '--json'])
    const good = await check(file, '--vkey', vkey)
    t.is(good.code, 0, good.stderr)
    t.like(JSON.parse(good.stdout), { good: true, included: true, index: 7, entry: { index: 7, trace_id: 'trace-1' } })
    const text = await readFile(file, 'utf8')
    const other = join(data, 'other')
    await writeFile(other, text.replace('index 7', 'index 8'))
    t.is((await check(other, '--vkey', vkey)).code, 11)
    const policy = join(data, 'policy')
    const seat = 'seat.example+a3a6c2f9+BAAA'
    await writeFile(policy, `witness s ${seat}\nquorum s\n`)
    t.regex((await check(file, '--vkey', vkey, '--policy', policy)).stderr, /ledger\.policy\.malformed/)
    t.is((await check(file)).code, 2)
    t.is((await ifctl(['witness', 'prove', '--data', data])).code, 2)
    t.is((await ifctl(['witness', 'prove', 'x', '--data', data])).code, 2)
    t.regex((await ifctl(['witness', 'prove', '20', '--data', data])).stderr, /cli\.not-found/)
    await writeFile(other, text.slice(0, 100))
    t.regex((await check(other, '--vkey', vkey)).stderr, /ledger\.proof\.malformed/)
  })
})

test('a seat is served, asked before a head is published, and its cosignature counts offline', async (t) => {
  await withFolder(async (data) => {
    const vkey = await fill(data, 3)
    const seatOptions = [
      '--key',
      join(data, 'seat.pem'),
      '--state',
      join(data, 'seat.db'),
      '--name',
      'seat.example/1',
      '--vkey',
      vkey
    ]
    const absent = await ifctl(['witness', 'cosign', ...seatOptions, '--serve', '127.0.0.1:0'])
    t.regex(absent.stderr, /ledger\.key\.missing/)
    const child = start(['witness', 'cosign', ...seatOptions, '--serve', '127.0.0.1:0', '--create'])
    t.teardown(() => child.kill('SIGKILL'))
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const line = (await lines.next()).value ?? ''
    t.regex(line, /^witness seat\.example\/1 seat\.example\/1\+[0-9a-f]{8}\+\S+ http:\/\/127\.0\.0\.1:\d+$/)
    const policy = ledgerFiles(join(data, 'ledger')).policy
    await writeFile(policy, `${line}\nquorum seat.example/1\n`)
    await fill(data, 4)
    const proof = join(data, 'p')
    t.is((await ifctl(['witness', 'prove', '6', '--data', data, '--out', proof])).code, 0)
    const good = await ifctl(['witness', 'prove', '--check', proof, '--vkey', vkey, '--policy', policy])
    t.is(good.code, 0, good.stdout)
    t.regex(good.stdout, /cosigned by seat\.example\/1 at 20/)

    child.kill('SIGTERM')
    const [code] = await once(child, 'close')
    t.is(code, 0)
    await fill(data, 1)
    const late = await ifctl(['witness', 'prove', '7', '--data', data, '--out', proof])
    t.regex(late.stderr, /no witness has cosigned/)
    const unwitnessed = await ifctl(['witness', 'prove', '--check', proof, '--vkey', vkey, '--policy', policy])
    t.is(unwitnessed.code, 13)

    const note = join(data, 'checkpoint')
    await writeFile(note, (await ifctl(['witness', 'checkpoint', '--data', data])).stdout)
    const byHand = ['witness', 'cosign', ...seatOptions, '--checkpoint', note]
    t.regex((await ifctl(byHand)).stderr, /ledger\.seat\.no-proof/)
    t.regex((await ifctl([...byHand, '--ledger', join(data, 'ledger')])).stdout, /^— seat\.example\/1 \S+\n$/u)

    const forked = join(data, 'forked')
    await fill(forked, 20)
    const own = (await ifctl(['witness', 'key', '--data', forked])).stdout.trim()
    await writeFile(note, (await ifctl(['witness', 'checkpoint', '--data', forked])).stdout)
    const foreign = [...seatOptions.slice(0, -1), own, '--checkpoint', note, '--ledger', join(forked, 'ledger')]
    const refused = await ifctl(['witness', 'cosign', ...foreign])
    t.is(refused.code, 1)
    t.regex(refused.stderr, /cli\.cosign\.refused/)
  })
})

test('a new key takes over, and the ledger verifies from the first', async (t) => {
  await withFolder(async (data) => {
    const vkey = await fill(data, 3)
    const rotated = await ifctl(['witness', 'rotate-key', '--data', data, '--json'])
    t.is(rotated.code, 0, rotated.stderr)
    t.like(JSON.parse(rotated.stdout), { index: 3 })
    t.not(JSON.parse(rotated.stdout).vkey, vkey)
    await fill(data, 2)
    t.is((await ifctl(['witness', 'verify', '--data', data, '--vkey', vkey])).code, 0)
    t.is((await ifctl(['witness', 'key', '--data', data])).stdout.trim(), vkey)
  })
})

test('an erased payload is gone from every file; the entry stays, and what cannot be erased is told', async (t) => {
  await withFolder(async (data) => {
    const vkey = await fill(data, 1)
    const dir = join(data, 'ledger')
    const shown = async () => JSON.parse((await ifctl(['witness', 'query', '--data', data, '--limit', '1', '--json'])).stdout)
    t.deepEqual((await shown()).erasable, { state: 'present', payload: { at: 0, said: secret } })
    const erase = (...more: string[]) => ifctl(['witness', 'erase', '--data', data, ...more])
    const erased = await erase('--entry', '0', '--reason', 'asked for by the caller', '--json')
    t.is(erased.code, 0, erased.stderr)
    t.like(JSON.parse(erased.stdout), { erased: 0, index: 1, remains: [] })
    t.deepEqual((await shown()).erasable, { state: 'erased' })
    for (const name of await readdir(dir, { recursive: true, withFileTypes: true })) {
      if (name.isFile()) t.false((await readFile(join(name.parentPath, name.name))).includes('Aloysius'), name.name)
    }
    t.is((await ifctl(['witness', 'verify', '--data', data, '--vkey', vkey])).code, 0)
    const log = ['witness', 'log', '--data', data, '--event', 'E', '--component', 'C', '--erasable']
    t.is((await ifctl([...log, '{"name":"Bo"}'])).code, 0)
    t.is((await ifctl([...log, '7'])).code, 2)
    const [told] = (await ifctl(['witness', 'query', '--data', data, '--event', 'E', '--json'])).stdout.split('\n')
    t.deepEqual(JSON.parse(told!).erasable, { state: 'present', payload: { name: 'Bo' } })
    t.regex((await erase('--entry', '1', '--reason', 'x')).stderr, /ledger\.erase\.not-erasable/)
    t.regex((await erase('--entry', '9', '--reason', 'x')).stderr, /ledger\.erase\.absent/)
    t.is((await erase('--entry', '0')).code, 2)
  })
})
