import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { WitnessEvent } from '#kernel'
import { openStore, witnessedStore } from '#store'
import { type Chassis, createChassis, readServices, type Services } from './chassis.ts'
import { buildModule, imports, op } from './testing/module-builder.ts'

const secret = 'a secret of the council'

async function withChassis(services: Services, use: (chassis: Chassis, events: WitnessEvent[]) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
  const events: WitnessEvent[] = []
  const witnessed = witnessedStore(await openStore({ kind: 'sqlite', path: join(folder, 'state.db') }), async (told) => {
    events.push(...told.map(({ event }) => event))
  })
  try {
    await use(createChassis(witnessed, { folder: join(folder, 'modules'), services }), events)
  } finally {
    await witnessed.close()
    await rm(folder, { recursive: true })
  }
}

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

test('a credential is used by handle; its grant ends by uses, by time and by word; all of it is told to the ledger', async (t) => {
  const services: Services = new Map([['council', { kind: 'hmac-sha256', secret }]])
  await withChassis(services, async (chassis, events) => {
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
  })
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
    await withChassis(new Map([['mail', { kind: 'http', origin, header: 'x-key', secret }]]), async (chassis) => {
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
    })
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

test('a sandbox runs once at a time, its log is followed, another stops it; then it can be destroyed', async (t) => {
  await withChassis(new Map(), async (chassis, events) => {
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
    t.true(await chassis.stop('box'))
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
  })
})

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
