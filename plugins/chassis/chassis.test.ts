import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { createCoordinator } from '#coordinator'
import { InfraFabricError, manualClock, type WitnessEvent } from '#kernel'
import { openStore, witnessedStore } from '#store'
import { openSqliteStore } from '../store/sqlite-store.ts'
import {
  chassisMetrics,
  createChassis,
  evidenceFrom,
  type RaisedHazard,
  readServices,
  reputationOf,
  type Services,
  taskGate
} from './chassis.ts'
import { buildModule, imports, op } from './testing/module-builder.ts'
import { testerOnBothStores } from './testing/on-both-stores.ts'

const secret = 'a secret of the council'

const onBothStores = testerOnBothStores(test)

/** Opens the credential named at 0, has it used with what lies at 64, writes all the answer's room (256 octets at 1024) to its output; exits with the last errno. */
const using = (service: string, request: string): Buffer =>
  buildModule({
    imports: [imports.credentialOpen, imports.credentialUse, imports.output, imports.exit],
    functions: [
      {
        code: [
          ...[0, service.length, 512].flatMap(op.constant),
          ...op.call(0),
          ...op.drop,
          ...op.load(512),
          ...[64, request.length, 1024, 256, 516].flatMap(op.constant),
          ...op.call(1),
          ...[1024, 256].flatMap(op.constant),
          ...op.call(2),
          ...op.drop,
          ...op.call(3)
        ]
      }
    ],
    data: [
      { at: 0, octets: service },
      { at: 64, octets: request }
    ]
  })

const council: Services = new Map([['council', { kind: 'hmac-sha256', secret }]])

onBothStores(
  'a credential is used by handle; its grant ends by uses, by time and by word; all of it is told to the ledger',
  council,
  async (t, { chassis, events }) => {
    await chassis.create({ id: 'box', swarm: 'alpha', module: using('council', 'words to sign') })
    t.is((await chassis.start('box')).code, 8)
    const grant = await chassis.grant('box', 'council', 60_000, 1)
    const { code, output } = await chassis.start('box')
    t.is(code, 0)
    t.deepEqual(output.subarray(0, 32), createHmac('sha256', secret).update('words to sign').digest())
    t.is((await chassis.start('box')).code, 8)
    t.is((await chassis.grants('box'))[0]!.usesLeft, 0)

    const second = await chassis.grant('box', 'council', 60_000, 5)
    t.truthy((await chassis.revoke('box', second.id))!.revokedAt)
    t.is((await chassis.start('box')).code, 8)
    await chassis.grant('box', 'council', 1, 5)
    await pause(5)
    t.is((await chassis.start('box')).code, 8)
    t.deepEqual(
      events.map(({ event }) => event.replace(/^sandbox_(started|ended)$/, '')).filter((event) => event !== ''),
      [
        'sandbox_created',
        'credential_granted',
        'credential_used',
        'credential_granted',
        'credential_revoked',
        'credential_granted'
      ]
    )
    t.is(events.find(({ event }) => event === 'credential_used')!.payload.grant, grant.id)
    t.is((await chassis.audit('box')).length, events.length)
    t.false(JSON.stringify([events, await chassis.audit('box'), await chassis.grants()]).includes(secret))
    await t.throwsAsync(chassis.grant('box', 'other', 1000, 1), { code: 'chassis.service' })
  }
)

/** Everything that a process has in memory that can be read. @see proc_pid_mem(5) */
function memoryOf(pid: number): Buffer[] {
  const found: Buffer[] = []
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const [range, rights] = line.split(' ')
      if (range === undefined || !rights?.startsWith('rw')) continue
      const [from, until] = range.split('-').map((text) => Number.parseInt(text, 16)) as [number, number]
      if (until - from > 64 << 20) continue
      const octets = Buffer.alloc(until - from)
      try {
        found.push(octets.subarray(0, readSync(memory, octets, 0, octets.length, from)))
      } catch {
        // reserved and not there
      }
    }
  } finally {
    closeSync(memory)
  }
  return found
}

test('a run whose owner was killed is ended when its time has passed, and counts as abandoned', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
  const clock = manualClock()
  const events: WitnessEvent[] = []
  const witnessed = witnessedStore(await openSqliteStore(join(folder, 'state.db'), clock), async (told) => {
    events.push(...told.map(({ event }) => event))
  })
  const chassis = createChassis(witnessed, { folder, services: new Map() })
  try {
    const made = await chassis.create({ id: 'box', swarm: 'alpha', module: exiting(0) })
    // as a host leaves it that was killed
    const runningUntil = clock.now() + 1000
    await witnessed.transact(async ({ put }) => put('sandbox/box', { ...made, state: 'running', runningUntil }))
    t.is(await chassis.takeBack(), 0)
    clock.advance(1001)
    t.is(await chassis.takeBack(), 1)
    t.is(await chassis.takeBack(), 0)
    t.like(await chassis.sandbox('box'), { state: 'stopped', runningUntil: null, last: { outcome: 'abandoned' } })
    t.like(events.at(-1), { event: 'sandbox_ended', payload: { outcome: 'abandoned', swarm: 'alpha' } })
    t.deepEqual((await chassis.reputation('alpha')).reputation.judged, { tasksGood: 0, tasksBad: 0, runsGood: 0, runsBad: 1 })
    t.is((await chassis.start('box')).code, 0)
  } finally {
    await witnessed.close()
    await rm(folder, { recursive: true })
  }
})

test('the memory of a sandbox’s process holds what a service answered, and not its secret', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
  const witnessed = witnessedStore(await openStore({ kind: 'sqlite', path: join(folder, 'state.db') }), null)
  const chassis = createChassis(witnessed, { folder, services: council })
  // uses the credential and goes on for ever
  const module = buildModule({
    imports: [imports.credentialOpen, imports.credentialUse, imports.fdWrite],
    functions: [
      {
        code: [
          ...[[0, 7, 512].flatMap(op.constant), op.call(0), op.drop, op.load(512)].flat(),
          ...[[64, 13, 1024, 256, 516].flatMap(op.constant), op.call(1), op.drop].flat(),
          ...[[1, 640, 1, 656].flatMap(op.constant), op.call(2), op.drop].flat(),
          ...op.forever([])
        ]
      }
    ],
    data: [
      { at: 0, octets: 'council' },
      { at: 64, octets: 'words to sign' },
      { at: 640, octets: Buffer.from([0, 0, 0, 0, 1, 0, 0, 0]) }
    ]
  })
  try {
    await chassis.create({ id: 'box', swarm: 'alpha', module })
    await chassis.grant('box', 'council', 60_000, 5)
    const stop = new AbortController()
    const begun = Promise.withResolvers<void>()
    const running = chassis.start('box', { signal: stop.signal, log: () => begun.resolve() })
    await begun.promise
    const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'latin1').trim().split(' ').map(Number)
    const answer = createHmac('sha256', secret).update('words to sign').digest()
    const readable = (pid: number): Buffer[] => {
      try {
        return memoryOf(pid)
      } catch {
        // of another test, and over
        return []
      }
    }
    const own = pids.map(readable).filter((parts) => parts.some((octets) => octets.includes(answer)))
    t.is(own.length, 1)
    t.false(own[0]!.some((octets) => octets.includes(secret)))
    stop.abort()
    t.is((await running).outcome, 'stopped')
  } finally {
    await chassis.close()
    await witnessed.close()
    await rm(folder, { recursive: true })
  }
})

test('a process that waits is used once, and another takes its place; those left are gone at the end', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
  const witnessed = witnessedStore(await openStore({ kind: 'sqlite', path: join(folder, 'state.db') }), null)
  const chassis = createChassis(witnessed, { folder, services: new Map(), warm: 2 })
  try {
    await chassis.create({ id: 'box', swarm: 'alpha', module: exiting(5) })
    for (let run = 0; run < 3; run++) t.is((await chassis.start('box')).code, 5)
    await t.throwsAsync(chassis.start('none'), { code: 'chassis.unknown' })
    await chassis.close()
    await chassis.close()
    t.is((await chassis.start('box')).code, 5)
    t.throws(() => createChassis(witnessed, { folder, services: new Map(), warm: 65 }), { code: 'chassis.warm' })
  } finally {
    await chassis.close()
    await witnessed.close()
    await rm(folder, { recursive: true })
  }
})

test('a service over HTTP is reached at its own origin only, and its secret does not come back', async (t) => {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers['x-key'] === secret}`)
    response.end(`you sent ${request.headers['x-key']}`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
    const witnessed = witnessedStore(await openStore({ kind: 'sqlite', path: join(folder, 'state.db') }), null)
    const services: Services = new Map([['mail', { kind: 'http', origin, header: 'x-key', secret }]])
    const chassis = createChassis(witnessed, { folder, services })
    try {
      const ask = async (id: string, request: string) => {
        await chassis.create({ id, swarm: 'alpha', module: using('mail', request) })
        await chassis.grant(id, 'mail', 60_000, 10)
        return chassis.start(id)
      }
      const { code, output } = await ask('good', '{"path":"/inbox"}')
      t.is(code, 0)
      t.regex(output.toString(), /"status":200,"body":"you sent \*+"/)
      t.false(output.includes(secret))
      const bad = ['{"path":"//127.0.0.1:1/"}', '{"path":"http://127.0.0.1:1/"}', '{"path":"/\\\\127.0.0.1:1/"}', 'no JSON']
      for (const [index, request] of bad.entries()) t.is((await ask(`bad-${index}`, request)).code, 29, request)
      t.deepEqual(seen, ['/inbox true'])
    } finally {
      await witnessed.close()
      await rm(folder, { recursive: true })
    }
  } finally {
    server.close()
  }
})

const printing = buildModule({
  imports: [imports.fdWrite],
  functions: [{ code: [...[1, 0, 1, 16].flatMap(op.constant), ...op.call(0), ...op.drop, ...op.forever([])] }],
  data: [
    { at: 0, octets: Buffer.from([32, 0, 0, 0, 6, 0, 0, 0]) },
    { at: 32, octets: 'hello\n' }
  ]
})

onBothStores(
  'a sandbox runs once at a time, its log is followed, another stops it; then it can be destroyed',
  new Map(),
  async (t, { chassis, events, another }) => {
    await chassis.create({ id: 'box', swarm: 'alpha', module: printing, limits: { memoryMb: 1 } })
    const stop = new AbortController()
    const following = (async () => {
      for await (const { text } of chassis.followLogs('box', stop.signal)) return text
      return null
    })()
    const running = chassis.start('box')
    t.is(await following, 'hello\n')
    stop.abort()
    await t.throwsAsync(chassis.start('box'), { code: 'chassis.running' })
    await t.throwsAsync(chassis.destroy('box'), { code: 'chassis.running' })
    t.deepEqual(
      (await chassis.sandboxes('running')).map(({ id }) => id),
      ['box']
    )
    t.true(await (await another()).stop('box'))
    t.is((await running).outcome, 'stopped')
    t.false(await chassis.stop('box'))
    const { state, last, totals } = await chassis.sandbox('box')
    t.deepEqual([state, last!.outcome, totals.runs, totals.logOctets], ['stopped', 'stopped', 1, 6])
    t.deepEqual(
      (await chassis.logs('box')).map(({ text }) => text),
      ['hello\n']
    )
    t.is((await chassis.setLimits('box', { cpuPercent: 50 })).limits.cpuPercent, 50)
    await t.throwsAsync(chassis.setLimits('box', { memoryMb: 0 }), { code: 'chassis.limit' })
    await chassis.destroy('box')
    await t.throwsAsync(chassis.logs('box'), { code: 'chassis.unknown' })
    t.deepEqual(
      events.map(({ event }) => event),
      ['sandbox_created', 'sandbox_started', 'sandbox_ended', 'sandbox_limits_changed', 'sandbox_destroyed']
    )
    t.is(new Set(events.map(({ traceId }) => traceId)).size, 1)
  }
)

const exiting = (code: number): Buffer =>
  buildModule({ imports: [imports.exit], functions: [{ code: [...op.constant(code), ...op.call(0)] }] })
const names = (events: readonly WitnessEvent[], prefix: string) =>
  events.filter(({ event }) => event.startsWith(prefix)).map(({ event, payload }) => `${event} ${payload.objective ?? ''}`.trim())

onBothStores(
  'a violated objective is told once, and once more when it is kept again; figures and list agree',
  new Map(),
  async (t, { chassis, events }) => {
    await chassis.create({ id: 'bad', swarm: 'alpha', module: exiting(1) })
    await chassis.create({ id: 'good', swarm: 'alpha', module: exiting(0) })
    await chassis.setObjectives('swarm', 'alpha', { leastRuns: 2, errorPct: 50, latencyP99Ms: 3_600_000 })
    const began = Date.now()
    await chassis.start('bad')
    t.deepEqual(names(events, 'slo_v'), [])
    await chassis.start('bad')
    await chassis.start('bad')
    t.deepEqual(names(events, 'slo_'), ['slo_set', 'slo_violated errors'])
    const told = events.find(({ event }) => event === 'slo_violated')!
    t.like(told.payload, { kind: 'swarm', scope: 'alpha', swarm: 'alpha', measured: 100, target: 50, counted: 2 })
    t.is(told.traceId, (await chassis.sandbox('bad')).traceId)
    const [open] = await chassis.violations(began)
    t.like(open, { objective: 'errors', until: null, id: told.payload.violation })
    const text = await (await chassisMetrics(() => chassis)).metrics()
    t.regex(text, /chassis_slo_kept{kind="swarm",scope="alpha",objective="errors"} 0/)
    t.regex(text, /chassis_slo_violations_open{objective="errors"} 1/)
    t.regex(text, /chassis_runs_in_window{kind="swarm",scope="alpha",outcome="exit"} 3/)

    await chassis.setObjectives('swarm', 'alpha', { errorPct: 80 })
    t.deepEqual(names(events, 'slo_').slice(2), ['slo_set'])
    await chassis.start('good')
    t.deepEqual(names(events, 'slo_').slice(3), ['slo_restored errors'])
    const [over] = await chassis.violations(began)
    t.true(over!.until! >= over!.at)
    t.deepEqual(await chassis.violations(Date.now() + 60_000), [])
    t.is(await chassis.judgeAll(), 0)

    // a sandbox with objectives of its own is judged by its own runs, and its violation ends with it
    await chassis.setObjectives('sandbox', 'bad', { leastRuns: 1, errorPct: 0, latencyP99Ms: 3_600_000 })
    t.deepEqual(
      (await chassis.sloStatus({ kind: 'sandbox', id: 'bad' }))[0]!.statuses.map(({ objective, kept }) => [objective, kept]),
      [
        ['availability', true],
        ['latency', true],
        ['errors', false],
        ['limits', true]
      ]
    )
    await chassis.destroy('bad')
    t.like(events.at(-1), { event: 'slo_restored', payload: { scope: 'bad', kept: null } })
    await chassis.create({ id: 'bad', swarm: 'alpha', module: exiting(0) })
    t.deepEqual(await chassis.sloStatus({ kind: 'sandbox', id: 'bad' }), [])
    await t.throwsAsync(chassis.setObjectives('sandbox', 'none', {}), { code: 'chassis.unknown' })
  }
)

onBothStores(
  'a reputation is computed from the ledger alone as from the store; it grows with tasks and falls with failures',
  new Map(),
  async (t, { chassis, witnessed, events }) => {
    const coordinator = createCoordinator(witnessed, { gates: [taskGate] })
    await coordinator.registerSwarm('alpha', {})
    const score = async () => (await chassis.reputation('alpha')).reputation.score
    t.is(await score(), 0)
    for (let task = 0; task < 6; task++) {
      await coordinator.add({ id: `T-${task}`, estimate: '1', mostAttempts: 1 })
      const claimed = await coordinator.claim(`T-${task}`, 'alpha')
      if (!claimed.ok) throw new Error(claimed.reason)
      const { fence } = claimed
      if (task === 4) await coordinator.release(`T-${task}`, 'alpha', fence)
      else if (task === 5) {
        const before = await score()
        await coordinator.fail(`T-${task}`, 'alpha', fence, 'could not')
        t.true((await score()) < before)
      } else await coordinator.complete(`T-${task}`, 'alpha', fence, {}, task === 0 ? '2' : '1')
    }
    await chassis.create({ id: 'box', swarm: 'alpha', module: exiting(0) })
    await chassis.start('box')
    await chassis.create({ id: 'bad', swarm: 'alpha', module: exiting(1) })
    await chassis.start('bad')
    await chassis.setObjectives('swarm', 'alpha', { leastRuns: 2, errorPct: 0 })
    const { at, reputation } = await chassis.reputation('alpha')
    t.deepEqual(reputation.judged, { tasksGood: 4, tasksBad: 1, runsGood: 1, runsBad: 1 })
    t.deepEqual(reputationOf(evidenceFrom(events, 'alpha'), at), reputation)
    t.true(reputation.score > 0 && reputation.score < 1)
    const budget = (await chassis.sloStatus())[0]!.statuses.find(({ objective }) => objective === 'budget')
    t.like(budget, { counted: 4, measured: 75 })
    const history = await chassis.reputationHistory('alpha')
    t.is(history.length, 1)
    t.deepEqual(history[0]!.evidence, reputation.judged)
    t.is((await chassis.reputation('nobody')).reputation.score, 0)
  }
)

/** Raises each hazard, twice, and exits with the last errno. */
const raising = (...hazards: string[]): Buffer => {
  const calls = [...hazards, ...hazards].flatMap((hazard) => {
    const at = 64 * hazards.indexOf(hazard)
    return [...[at, hazard.length, 1024, 4].flatMap(op.constant), ...op.call(0), 0x21, 0]
  })
  return buildModule({
    imports: [imports.raiseHazard, imports.exit],
    functions: [{ locals: 1, code: [...calls, 0x20, 0, ...op.call(1)] }],
    data: [...hazards.map((octets, index) => ({ at: 64 * index, octets })), { at: 1024, octets: 'help' }]
  })
}

onBothStores(
  'a hazard is escalated once for each run, when there is such a one and the sandbox may raise it; all of it is told',
  new Map(),
  async (t, { another, events }) => {
    const raised: RaisedHazard[] = []
    let reachable = true
    const chassis = await another({
      escalate: async (hazard) => {
        if (!reachable) throw new InfraFabricError('cli.suite.absent', 'no suite can be asked')
        raised.push(hazard)
        return { ok: true, reference: 'E-1' }
      }
    })
    const told = (event: string) => events.filter((each) => each.event === event).map(({ payload }) => payload)
    const make = (id: string, module: Buffer, hazards: readonly string[]) =>
      chassis.create({ id, swarm: 'alpha', task: 'T-1', traceId: 'case-1', module, hazards })
    await make('box', raising('safety'), ['safety', 'privacy'])
    t.is((await chassis.start('box')).code, 0)
    t.is(raised.length, 1)
    t.like(raised[0], { hazard: 'safety', summary: 'help', sandbox: 'box', swarm: 'alpha', task: 'T-1', traceId: 'case-1' })
    t.like(told('hazard_escalated')[0], { hazard: 'safety', escalation: 'E-1' })
    t.true(events.every(({ traceId }) => traceId === 'case-1'))
    // another run is another event
    await chassis.start('box')
    t.is(new Set(raised.map(({ key }) => key)).size, 2)

    await make('unknown', raising('weather'), ['safety'])
    t.is((await chassis.start('unknown')).code, 28)
    await make('unscoped', raising('bias'), ['safety'])
    t.is((await chassis.start('unscoped')).code, 76)
    t.is(raised.length, 2)
    t.deepEqual(
      told('hazard_refused').map(({ sandbox, hazard }) => [sandbox, hazard]),
      [['unscoped', 'bias']]
    )
    reachable = false
    await make('alone', raising('safety'), ['safety'])
    t.is((await chassis.start('alone')).code, 29)
    t.like(told('hazard_not_escalated')[0], { sandbox: 'alone', code: 'cli.suite.absent' })
    t.is(told('hazard_raised').length, 3)
    t.false(JSON.stringify(events).includes('help'))
    await t.throwsAsync(make('odd', raising('safety'), ['weather']), { code: 'chassis.hazard' })
  }
)

test('the file of services is for its owner alone, and is told by name what is wrong', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
  const path = join(folder, 'services.json')
  try {
    t.is(readServices(path).size, 0)
    await writeFile(path, JSON.stringify({ a: { kind: 'hmac-sha256', secret } }), { mode: 0o644 })
    t.throws(() => readServices(path), { code: 'chassis.services' })
    await rm(path)
    const write = (content: unknown) => writeFile(path, JSON.stringify(content), { mode: 0o600 })
    await write({ a: { kind: 'hmac-sha256', secret } })
    t.is(readServices(path).size, 1)
    await write({
      a: { kind: 'hmac-sha256', secret: 'x' },
      b: { kind: 'http', secret, header: 'h', origin: 'http://example.com' },
      c: null
    })
    t.throws(() => readServices(path), { code: 'config.invalid', message: /a: secret.*b: origin: plain HTTP.*c: secret/ })
  } finally {
    await rm(folder, { recursive: true })
  }
})
