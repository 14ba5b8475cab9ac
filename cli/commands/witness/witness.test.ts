import { once } from 'node:events'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import test from 'ava'
import { silentLog, type WitnessEvent } from '#kernel'
import { draftEntry, openLedger } from '#ledger'
import { finished, ifctl, start, withFolder } from '../../testing/run.ts'

const callId = 'call-1@192.0.2.4'
const trace = '0af7651916cd43dd8448eb211c80319c'

/** Writes a ledger into the data folder as the suite would. */
async function fill(data: string, events: readonly Partial<WitnessEvent>[]): Promise<void> {
  const ledger = await openLedger({ dir: join(data, 'ledger'), origin: 'test.example/witness', log: silentLog })
  const items = events.map((event, at) => ({
    draft: draftEntry(
      { event: 'INVITE', component: 'IF.proxy', traceId: trace, payload: { callId }, ...event },
      Date.UTC(2026, 0, 1) + at * 1_000
    ),
    key: `${Math.random()}`
  }))
  await ledger.append(items, 1)
  await ledger.close()
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const json = (text: string) => lines(text).map((line) => JSON.parse(line))

test('log writes an entry that query finds; a key writes once; nothing is made unasked', async (t) => {
  await withFolder(async (data) => {
    const log = ['witness', 'log', '--data', data, '--event', 'E', '--component', 'C']
    const absent = await ifctl(log)
    t.is(absent.code, 1)
    t.regex(absent.stderr, /there is no ledger .*--create makes one \(cli\.ledger\.absent\)/)
    const first = json((await ifctl([...log, '--create', '--origin', 'test.example/witness', '--key', 'k', '--json'])).stdout)[0]
    const again = json((await ifctl([...log, '--key', 'k', '--json'])).stdout)[0]
    t.is(first.index, 0)
    t.is(again.hash, first.hash)
    t.is(again.traceId, first.traceId)
    const other = await ifctl([...log, '--key', 'k', '--payload', '{"another":1}'])
    t.is(other.code, 1)
    t.regex(other.stderr, /entry 0, where the store has it, is C E of trace [0-9a-f]{32} \(ledger\.append\.key-taken\)/)
    const rich = ['--trace', 't', '--parent', 'p', '--payload', '-', '--tokens-in', '5', '--cost', '0.09095', '--model', 'm']
    t.is((await ifctl([...log, ...rich], { input: '{"a":[1,"é"]}' })).code, 0)
    const [entry] = json((await ifctl(['witness', 'query', '--data', data, '--trace', 'p', '--json'])).stdout)
    t.like(entry, {
      index: 1,
      event: 'E',
      trace_id: 't',
      parent_trace_id: 'p',
      payload: { a: [1, 'é'] },
      tokens_in: 5,
      cost: '0.09095',
      model: 'm'
    })
    t.regex(entry.hash, /^[0-9a-f]{64}$/)
    t.is((await ifctl([...log, '--payload', '[1]'])).code, 2)
    t.is((await ifctl([...log, '--payload', '{'])).code, 2)
    const refused = await ifctl([...log, '--cost', '1e3'])
    t.is(refused.code, 1)
    t.regex(refused.stderr, /ledger\.entry\.invalid/)
  })
})

test('query adds conditions up and pages through any number of entries', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [
      ...Array.from({ length: 2_500 }, (_, at) => ({ traceId: `t${at}`, payload: { callId: `c${at % 5}` } })),
      { event: 'CONNECTED', component: 'IF.sip', traceId: 'child', parentTraceId: 't0' }
    ])
    const ask = async (...conditions: string[]) =>
      json((await ifctl(['witness', 'query', '--data', data, '--json', ...conditions])).stdout)
    t.is((await ask()).length, 2_501)
    t.deepEqual(
      (await ask('--trace', 't0')).map(({ index }) => index),
      [0, 2_500]
    )
    t.is((await ask('--call-id', 'c1', '--event', 'INVITE')).length, 500)
    t.is((await ask('--component', 'IF.sip')).length, 1)
    t.is((await ask('--since', '2026-01-01T00:00:10Z', '--until', '2026-01-01T00:00:20Z')).length, 10)
    t.deepEqual(
      (await ask('--after', '2498', '--limit', '1')).map(({ index }) => index),
      [2_499]
    )
    t.deepEqual(await ask('--event', 'NOTHING'), [])
    t.is((await ifctl(['witness', 'query', '--data', data, '--since', '2027-01-01', '--until', '2026-01-01'])).code, 2)
    const people = await ifctl(['witness', 'query', '--data', data, '--limit', '2'])
    t.is(lines(people.stdout).length, 2)
    for (const line of lines(people.stdout))
      t.regex(line, /^ {5}\d {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}\S+ +\S+ +trace=\S+/)
  })
})

test('query --follow shows entries as they come and ends cleanly when asked to', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [{}])
    const child = start(['witness', 'query', '--data', data, '--follow', '--json'])
    t.teardown(() => child.kill('SIGKILL'))
    const shown = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    t.is(JSON.parse((await shown.next()).value ?? '').index, 0)
    await fill(data, [{ event: 'TERMINATED' }])
    t.like(JSON.parse((await shown.next()).value ?? ''), { index: 1, event: 'TERMINATED' })
    child.kill('SIGINT')
    const [code] = await once(child, 'close')
    t.is(code, 0)
  })
})

test('a reader of the output that goes away ends --follow quietly', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [{}])
    const child = start(['witness', 'query', '--data', data, '--follow'])
    t.teardown(() => child.kill('SIGKILL'))
    child.stdout.once('data', () => child.stdout.destroy())
    const end = finished(child)
    await once(child.stdout, 'close')
    await fill(data, [{}, {}])
    const { code, stderr } = await end
    t.is(code, 0)
    t.is(stderr, '')
  })
})

test('trace is a timeline with the traces under it', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [
      {},
      { traceId: 'childtrace', parentTraceId: trace, event: 'CONNECTED', payload: { codec: 'PCMU\u001b[2J' } },
      { traceId: 'grandchild', parentTraceId: 'childtrace', event: 'BYE', cost: '0.5' },
      { traceId: 'childtrace', event: 'ENDED', payload: { reason: 'x'.repeat(200) } },
      { traceId: 'other' },
      { event: 'TERMINATED' }
    ])
    const { code, stdout } = await ifctl(['witness', 'trace', trace, '--data', data])
    t.is(code, 0)
    const [head, ...lines] = stdout.trimEnd().split('\n')
    t.regex(head!, /^0af7651916cd43dd8448eb211c80319c {2}\d{4}-.*Z {2}5 entries, 2 child traces, 5\.000 s$/)
    t.deepEqual(lines, [
      '    0.000           IF.proxy  INVITE',
      '                    │ ▸ childtra  2 entries, 2.000 s',
      '    1.000   +1.000  │ IF.proxy  CONNECTED   codec=PCMU\\u{1b}[2J',
      '                    │ │ ▸ grandchi  1 entry, 0.000 s',
      '    2.000   +1.000  │ │ IF.proxy  BYE         cost=0.5',
      '                    │ ▸ childtra  2 entries, 2.000 s',
      `    3.000   +1.000  │ IF.proxy  ENDED       reason=${'x'.repeat(108)}…`,
      '    5.000   +2.000  IF.proxy  TERMINATED'
    ])
    const [utc, local] = await Promise.all([
      ifctl(['witness', 'trace', 'grandchild', '--data', data, '--time', 'utc']),
      ifctl(['witness', 'trace', 'grandchild', '--data', data, '--time', 'local'], { env: { TZ: 'Asia/Kathmandu' } })
    ])
    const shown = (text: string) => /\n *(\d\d):(\d\d):\d\d\.\d{3}(Z?) /.exec(text)!.slice(1)
    const [hour, minute, zone] = shown(utc.stdout)
    const [localHour, localMinute, none] = shown(local.stdout)
    t.is((Number(localHour) * 60 + Number(localMinute) - Number(hour) * 60 - Number(minute) + 1_440) % 1_440, 345)
    t.deepEqual([zone, none], ['Z', ''])
    t.is((await ifctl(['witness', 'trace', trace, '--data', data, '--time', 'moon'])).code, 2)
    t.is(json((await ifctl(['witness', 'trace', trace, '--data', data, '--json'])).stdout).length, 5)
    t.is((await ifctl(['witness', 'trace', 'nothing', '--data', data])).code, 1)
  })
})

test('trace --follow goes on with what comes', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [{}])
    const child = start(['witness', 'trace', trace, '--data', data, '--follow'])
    const end = finished(child)
    let seen = ''
    child.stdout.on('data', (text: string) => {
      seen += text
    })
    const shows = async (word: string): Promise<void> => {
      while (!seen.includes(word)) await once(child.stdout, 'data')
    }
    await shows('INVITE')
    await fill(data, [{ traceId: 'late', parentTraceId: trace, event: 'LATE' }])
    await shows('LATE')
    child.kill('SIGINT')
    const { code, stdout } = await end
    t.is(code, 0)
    t.regex(stdout, /INVITE\n +│ ▸ late {2}1 entry, 0\.000 s\n.*│ IF\.proxy {2}LATE/)
  })
})

test('each verdict of verify has its exit code', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [{}, {}, {}])
    const kept = join(data, 'kept.note')
    await writeFile(kept, (await ifctl(['witness', 'checkpoint', '--data', data])).stdout)
    const vkey = (await ifctl(['witness', 'key', '--data', data])).stdout.trim()
    const verify = (folder: string, ...more: string[]) =>
      ifctl(['witness', 'verify', '--ledger', folder, '--vkey', vkey, '--checkpoint', kept, '--json', ...more])
    const ledger = join(data, 'ledger')
    const good = await verify(ledger)
    t.is(good.code, 0)
    t.is(good.stderr, '')
    t.like(JSON.parse(good.stdout), { verdict: 'valid', entries: 3 })

    const copy = async (name: string): Promise<string> => {
      const folder = join(data, name)
      await cp(ledger, folder, { recursive: true })
      return folder
    }
    const altered = await copy('altered')
    const database = new DatabaseSync(join(altered, 'ledger.db'))
    const { data: entries } = database.prepare('SELECT data FROM segment WHERE first = 0').get() as { data: Uint8Array }
    entries.set(Buffer.from('INVITX'), Buffer.from(entries).indexOf('INVITE'))
    database.prepare('UPDATE segment SET data = ? WHERE first = 0').run(entries)
    database.close()
    t.is((await verify(altered)).code, 11)

    const younger = join(data, 'younger')
    await withFolder(async (other) => {
      await cp(ledger, join(other, 'ledger'), { recursive: true })
      await fill(other, [{}])
      await cp(join(other, 'ledger'), younger, { recursive: true })
    })
    await writeFile(kept, (await ifctl(['witness', 'checkpoint', '--ledger', younger])).stdout)
    t.is((await verify(ledger)).code, 10, 'what was kept is of a longer ledger')
    t.is((await verify(younger)).code, 0)
    await fill(data, [{ event: 'ANOTHER' }])
    t.is((await verify(ledger)).code, 12, 'what was kept is of another history')

    const stranger = join(data, 'stranger')
    await fill(stranger, [{}])
    await rm(join(stranger, 'ledger', 'checkpoints.log'))
    const other = await ifctl(['witness', 'verify', '--data', stranger, '--vkey', vkey])
    t.is(other.code, 13, 'signed by another key')
  })
})

test('verify says where its key is from, and takes one from a file', async (t) => {
  await withFolder(async (data) => {
    await fill(data, [{}])
    const own = await ifctl(['witness', 'verify', '--data', data])
    t.is(own.code, 0)
    t.regex(own.stdout, /^valid: /)
    t.regex(own.stderr, /bring your own with --vkey/)
    const file = join(data, 'kept-key')
    await cp(join(data, 'ledger', 'vkey'), file)
    t.is((await ifctl(['witness', 'verify', '--data', data, '--vkey', file])).code, 0)
    t.is((await ifctl(['witness', 'verify', '--data', data, '--vkey', 'nonsense'])).code, 1)
    t.is((await ifctl(['witness', 'verify', '--data', data, '--checkpoint', '/nonexistent'])).code, 1)
    t.is((await ifctl(['witness', 'key', '--data', data])).stdout, await readFile(file, 'utf8'))
  })
})

test('a folder without a ledger and a file that is none are named', async (t) => {
  await withFolder(async (data) => {
    for (const words of [['query'], ['trace', 'x'], ['verify'], ['key'], ['checkpoint']]) {
      const { code, stdout, stderr } = await ifctl(['witness', ...words, '--data', data])
      t.is(code, 1)
      t.is(stdout, '')
      t.regex(stderr, /there is no ledger/)
    }
    await fill(data, [{}])
    await writeFile(
      join(data, 'ledger', 'ledger.db'),
      'no database at all, only some text that is long enough to be read'.repeat(20)
    )
    const { code, stderr } = await ifctl(['witness', 'query', '--data', data])
    t.is(code, 1)
    t.regex(stderr, /cli\.ledger\.unreadable/)
  })
})

test('guard explain tells which layer decided, by trace and by Call-ID', async (t) => {
  await withFolder(async (data) => {
    const finding = { policy: 'registered', verdict: 'deny', code: 'guard.registered.unknown', reason: 'nobody has this URI' }
    const decision = { ...finding, callId, verdict: 'reject', layer: 'policy', expertId: null, hazard: 'safety', security: false }
    await fill(data, [
      {
        traceId: 'edge',
        event: 'SECURITY_REJECTED',
        payload: { callId, layer: 'digest', code: 'edge.digest.bad-credentials', status: 403 }
      },
      {},
      {
        component: 'IF.guard',
        event: 'policy_decision',
        payload: { ...decision, findings: [finding], edgeLayers: ['pike', 'allowlist', 'tls', 'digest', 'rate'] }
      },
      { event: 'REJECTED', payload: { callId, layer: 'policy', code: 'guard.registered.unknown', status: 403 } },
      { traceId: 'other', payload: { callId: 'call-2' }, event: 'CONNECTED' }
    ])
    const byTrace = await ifctl(['guard', 'explain', trace, '--data', data, '--json'])
    t.is(byTrace.code, 0)
    t.like(JSON.parse(byTrace.stdout), {
      callId,
      verdict: 'rejected',
      decidedBy: 'policy',
      code: 'guard.registered.unknown',
      earlierRefusals: 1
    })
    t.is((await ifctl(['guard', 'explain', callId, '--data', data, '--json'])).stdout, byTrace.stdout)
    const { stdout } = await ifctl(['guard', 'explain', callId, '--data', data])
    t.regex(stdout, /^rejected at layer policy: nobody has this URI \(guard\.registered\.unknown\)$/m)
    t.is(lines(stdout).filter((line) => /^ {2}[1-7] /.test(line)).length, 7)
    t.regex(stdout, /^ {2}6 +policy +decided +guard\.registered\.unknown: nobody has this URI$/m)
    const unknown = await ifctl(['guard', 'explain', 'nothing', '--data', data])
    t.is(unknown.code, 1)
    t.regex(unknown.stderr, /cli\.not-found/)
  })
})
