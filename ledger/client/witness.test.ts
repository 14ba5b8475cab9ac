import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { InfraFabricError, silentLog, systemClock } from '#kernel'
import { type AppendItem, createWitness, type Ledger, type Place } from '#ledger'
import { eventNumber, items, openTestLedger, openTestWitness, scratch, verify } from '../testing/fixtures.ts'
import { abandonedSpools } from './spool.ts'

/** A real ledger behind a door that can be shut. */
function door(ledger: Pick<Ledger, 'append'>) {
  const state = { open: true }
  const append = async (items: readonly AppendItem[], epoch: number | null): Promise<readonly Place[]> => {
    if (!state.open) throw new InfraFabricError('ledger.store.io', 'shut')
    return ledger.append(items, epoch)
  }
  return { state, append }
}

const numbers = async (ledger: Ledger) => (await ledger.reader.query({})).map(({ entry }) => entry.payload.n)
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

test('with the ledger in reach an entry is committed, and its receipt says where', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  const receipts = await Promise.all(upTo(20).map((n) => witness.record(eventNumber(n))))
  t.deepEqual(
    receipts.map((receipt) => receipt.state === 'committed' && receipt.index),
    upTo(20)
  )
  t.is(witness.pending(), 0)
})

test('what nobody waits for goes to the ledger with what somebody does, in one append and in order', async (t) => {
  const ledger = await openTestLedger(t)
  const appends: number[] = []
  const counted: Pick<Ledger, 'append'> = {
    append: (items, epoch) => {
      appends.push(items.length)
      return ledger.append(items, epoch)
    }
  }
  const spoolDir = scratch(t)
  const witness = await createWitness({ ledger: counted, spoolDir, clock: systemClock, log: silentLog, gatherMs: 60_000 })
  const receipts = upTo(3).map((n) => witness.record(eventNumber(n), 'soon'))
  t.deepEqual(appends, [])
  t.is(witness.pending(), 3)
  receipts.push(witness.record(eventNumber(3)))
  t.deepEqual(appends, [4])
  t.deepEqual(
    (await Promise.all(receipts)).map((receipt) => receipt.state === 'committed' && receipt.index),
    upTo(4)
  )
  void witness.record(eventNumber(4), 'soon')
  await witness.flush(5000)
  t.deepEqual(appends, [4, 1])
  const last = witness.record(eventNumber(5), 'soon')
  await witness.close()
  t.is((await last).state, 'committed')
  t.deepEqual(await numbers(ledger), upTo(6))
})

test('what nobody waits for does not wait for ever', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  t.is((await witness.record(eventNumber(0), 'soon')).state, 'committed')
})

test('out of reach: what was gathered goes to the spool in its place', async (t) => {
  const ledger = await openTestLedger(t)
  const gate = door(ledger)
  gate.state.open = false
  const witness = await openTestWitness(t, gate, scratch(t))
  const receipts = [
    witness.record(eventNumber(0), 'soon'),
    witness.record(eventNumber(1)),
    witness.record(eventNumber(2), 'soon'),
    witness.record(eventNumber(3), 'soon')
  ]
  t.true((await Promise.all(receipts)).every(({ state }) => state === 'spooled'))
  gate.state.open = true
  await witness.flush(5000)
  t.deepEqual(await numbers(ledger), upTo(4))
})

test('out of reach: spooled, later delivered, in order, each once', async (t) => {
  const ledger = await openTestLedger(t)
  const spoolDir = scratch(t)
  const gate = door(ledger)
  const witness = await openTestWitness(t, gate, spoolDir)
  await Promise.all(upTo(5).map((n) => witness.record(eventNumber(n))))
  gate.state.open = false
  const receipts = await Promise.all(upTo(10).map((n) => witness.record(eventNumber(5 + n))))
  t.true(receipts.every(({ state }) => state === 'spooled'))
  t.is(witness.state(), 'spooling')
  gate.state.open = true
  const more = upTo(10).map((n) => witness.record(eventNumber(15 + n)))
  await Promise.all(more)
  await witness.flush(5000)
  t.deepEqual(await numbers(ledger), upTo(25))
  t.is(witness.state(), 'direct')
  t.is((await witness.record(eventNumber(25))).state, 'committed')
  await witness.close()
  t.deepEqual(readdirSync(spoolDir), [])
})

test('what a witness leaves in its spool the next one delivers first', async (t) => {
  const ledger = await openTestLedger(t)
  const spoolDir = scratch(t)
  const gate = door(ledger)
  gate.state.open = false
  const first = await openTestWitness(t, gate, spoolDir)
  await Promise.all(upTo(3).map((n) => first.record(eventNumber(n))))
  await first.close()
  t.is(readdirSync(spoolDir).length, 1)
  const second = await openTestWitness(t, ledger, spoolDir)
  await second.record(eventNumber(3))
  await second.flush(5000)
  t.deepEqual(await numbers(ledger), upTo(4))
  await second.close()
  t.deepEqual(readdirSync(spoolDir), [])
})

test('kill -9 with entries in the spool: all that was acknowledged is delivered by the next process', async (t) => {
  const spoolDir = scratch(t)
  const script = `
    import { createWitness } from '#ledger'
    import { silentLog, systemClock, newTraceId } from '#kernel'
    const ledger = { append: async () => { throw new Error('never') } }
    const witness = await createWitness({ ledger, spoolDir: ${JSON.stringify(spoolDir)}, clock: systemClock, log: silentLog })
    for (let n = 0; ; n++) {
      await witness.record({ event: 'e', component: 'c', traceId: newTraceId(), payload: { n } })
      process.stdout.write(n + '\\n')
    }`
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', script])
  let acknowledged = ''
  child.stdout.on('data', (data) => {
    acknowledged += data
    if (acknowledged.length > 1000) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.on('close', resolve))
  const last = Number(acknowledged.split('\n').at(-2))
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, spoolDir)
  await witness.record(eventNumber(-1))
  await witness.flush(5000)
  const found = await numbers(ledger)
  t.true(last > 100)
  t.deepEqual(found.slice(0, last + 1), upTo(last + 1))
  t.is(found.at(-1), -1)
})

test('the ledger thread dies: entries go to the spool, a new thread takes them', async (t) => {
  const ledger = await openTestLedger(t)
  let dying = true
  const flaky: Pick<Ledger, 'append'> = {
    append: (items, epoch) => {
      if (!dying) return ledger.append(items, epoch)
      dying = false
      return ledger.append(items, epoch).then(() => {
        throw new InfraFabricError('ledger.worker.exited', 'after the commit, before the answer')
      })
    }
  }
  const witness = await openTestWitness(t, flaky, scratch(t))
  await Promise.all(upTo(5).map((n) => witness.record(eventNumber(n))))
  await witness.flush(5000)
  t.deepEqual(await numbers(ledger), upTo(5))
})

test('a spoiled line is reported in the ledger, the others are delivered, the file is kept', async (t) => {
  const ledger = await openTestLedger(t)
  const spoolDir = scratch(t)
  const gate = door(ledger)
  gate.state.open = false
  const first = await openTestWitness(t, gate, spoolDir)
  for (const n of upTo(3)) await first.record(eventNumber(n))
  await first.close()
  const path = join(spoolDir, readdirSync(spoolDir)[0]!)
  writeFileSync(path, `${readFileSync(path, 'utf8').replace('\\"n\\":1', '\\"n\\":9')}torn tai`)
  const second = await openTestWitness(t, ledger, spoolDir)
  await second.record(eventNumber(3))
  await second.flush(5000)
  t.deepEqual(
    (await ledger.reader.query({})).map(({ entry: { event, payload } }) =>
      event === 'witness_spool_spoiled' ? (payload.torn ? 'torn' : 'spoiled') : payload.n
    ),
    [0, 2, 'spoiled', 'torn', 3]
  )
  t.regex(readdirSync(spoolDir).join(), /\.spool\.spoiled/)
})

test('a key that stands for something else takes no entry away: it is told under another, and what was found with it', async (t) => {
  const ledger = await openTestLedger(t)
  const spoolDir = scratch(t)
  const gate = door(ledger)
  gate.state.open = false
  const first = await openTestWitness(t, gate, spoolDir)
  for (const n of upTo(4)) await first.record(eventNumber(n))
  await first.close()
  const path = join(spoolDir, readdirSync(spoolDir)[0]!)
  const spooled = readFileSync(path, 'utf8')
  const { key } = JSON.parse(spooled.split('\n')[1]!.slice(17)) as AppendItem
  const [other] = items(9, 1)
  await ledger.append([{ ...other!, key }], null)
  const deliver = async () => {
    const witness = await openTestWitness(t, ledger, spoolDir)
    await witness.flush(5000)
    await witness.close()
  }
  await deliver()
  const log = (await ledger.reader.query({})).map(({ entry }) => entry)
  t.deepEqual(
    log.map(({ event, payload }) => (event === 'witness_key_taken' ? event : payload.n)),
    [9, 0, 1, 'witness_key_taken', 2, 3]
  )
  t.is(log[3]!.trace_id, log[2]!.trace_id)
  t.is(log[3]!.payload.key, key)
  t.regex(String(log[3]!.payload.toldAs), /^retold:[0-9a-f]{64}$/)
  t.regex(String(log[3]!.payload.why), /entry 0, where the store has it, is IF\.test test_event of trace 0{31}9$/)

  // killed before it had emptied its spool
  writeFileSync(path, spooled)
  await deliver()
  t.is(ledger.size(), 6)
})

test('an entry that neither ledger nor spool takes is refused by name', async (t) => {
  const dir = scratch(t)
  const spoolDir = join(dir, 'spool')
  const ledger = await openTestLedger(t)
  const gate = door(ledger)
  const witness = await openTestWitness(t, gate, spoolDir)
  gate.state.open = false
  rmSync(spoolDir, { recursive: true })
  const lost = eventNumber(0)
  await t.throwsAsync(witness.record(lost), { code: 'witness.unrecorded' })
  await t.throwsAsync(witness.record(lost), { code: 'witness.unrecorded' })
  gate.state.open = true
  mkdirSync(spoolDir)
  const outcome = await witness.record(eventNumber(1))
  t.regex(outcome.state, /committed|spooled/)
  await witness.flush(5000)
  const entries = (await ledger.reader.query({})).map(({ entry }) => entry)
  t.deepEqual(entries.map(({ event, payload }) => payload.n ?? event).sort(), [1, 'witness_entries_unrecorded'])
  t.like(entries.find(({ event }) => event === 'witness_entries_unrecorded')?.payload, {
    entries: 2,
    code: 'ENOENT',
    traces: [lost.traceId]
  })
})

test('an event that cannot be an entry is refused before it can stop others', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  await t.throwsAsync(witness.record(eventNumber(0, { payload: { x: Number.NaN } })), { code: 'ledger.entry.invalid' })
  t.is((await witness.record(eventNumber(1))).state, 'committed')
})

/** A file system of 2 MiB, for root only. */
function smallDisk(t: Parameters<typeof scratch>[0]): string | null {
  const dir = scratch(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    return null
  }
  t.teardown(() => execFileSync('umount', ['-l', dir]))
  return dir
}

test.serial('a full disk under the ledger: entries are spooled and delivered when there is room again', async (t) => {
  const disk = smallDisk(t)
  if (disk === null) {
    t.pass('needs the right to mount a file system')
    return
  }
  const ledger = await openTestLedger(t, disk)
  const witness = await openTestWitness(t, ledger, scratch(t))
  await witness.record(eventNumber(0))
  const filler = join(disk, 'filler')
  try {
    for (;;) writeFileSync(filler, Buffer.alloc(4096), { flag: 'a' })
  } catch (error) {
    t.is((error as NodeJS.ErrnoException).code, 'ENOSPC')
  }
  const receipts: string[] = []
  for (let n = 1; n <= 200; n++)
    receipts.push((await witness.record(eventNumber(n, { payload: { n, fill: 'x'.repeat(2000) } }))).state)
  t.true(receipts.includes('spooled'))
  rmSync(filler)
  await witness.flush(10_000)
  t.deepEqual(await numbers(ledger), upTo(201))
  t.like(await verify(disk, ledger.vkey), { verdict: 'valid', entries: 201 })
})

test('a ledger that does not answer: the entry goes to the spool', async (t) => {
  const ledger = { append: () => new Promise<never>(() => undefined) }
  const spoolDir = join(scratch(t), 'spool')
  const witness = await createWitness({
    ledger,
    spoolDir,
    clock: systemClock,
    log: silentLog,
    retryMs: [20, 100],
    answerWithinMs: 100
  })
  t.deepEqual(await witness.record(eventNumber(1)), { state: 'spooled' })
  await witness.close()
})

test('flush waits for what earlier processes left', async (t) => {
  const dir = scratch(t)
  const spoolDir = join(dir, 'spool')
  const absent = { append: () => Promise.reject(new Error('out of reach')) }
  const first = await createWitness({ ledger: absent, spoolDir, clock: systemClock, log: silentLog, retryMs: [20, 100] })
  await Promise.all(Array.from({ length: 300 }, (_, n) => first.record(eventNumber(n))))
  await first.close()
  const ledger = await openTestLedger(t, dir)
  const second = await openTestWitness(t, ledger, spoolDir)
  await second.flush(10_000)
  t.is(await ledger.reader.size(), 300)
})

test('a spool whose process is gone is found though its number is in use again', (t) => {
  const dir = scratch(t)
  const name = (pid: number, start: string) => `1767225600000-${pid}-${start}-0123abcd.spool`
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'latin1')
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!
  writeFileSync(join(dir, name(process.ppid, start)), '')
  writeFileSync(join(dir, name(process.ppid, `${Number(start) + 1}`)), '')
  t.deepEqual(abandonedSpools(dir), [join(dir, name(process.ppid, `${Number(start) + 1}`))])
})

test('a process that only waits until its spool is delivered stays alive for it', (t) => {
  const dir = scratch(t)
  const program = `
    import { silentLog, systemClock } from '#kernel'
    import { createWitness } from '#ledger'
    let times = 0
    const append = async (items) => {
      if (times++ < 3) throw new Error('away')
      return items.map((_, index) => ({ index, hash: '0' }))
    }
    const witness = await createWitness({
      ledger: { append }, spoolDir: ${JSON.stringify(dir)}, clock: systemClock, log: silentLog, retryMs: [20, 50]
    })
    await witness.record({ event: 'e', component: 'IF.test', traceId: 'a', payload: {} })
    await witness.flush(20_000)
    console.log('delivered after', times)`
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program]
  const { stdout, status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', cwd: import.meta.dirname })
  t.is(status, 0, stderr)
  t.regex(stdout, /^delivered after [4-9]/)
})
