/** Kamailio as a process: its start, its configuration, its deaths. */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { issueCertificate, renderEdge, startEdge } from '#kamailio'
import { silentLog, systemClock } from '#kernel'
import { writeEdge } from './kamailio.ts'
import { Application, answering, authorityOf, authorize, edgeConfig, Phone, rig } from './testing/harness.ts'

const certificates = await authorityOf()
test.after.always(() => rmSync(certificates.authority.dir, { recursive: true, force: true }))

test('credentials change without a restart', async (t) => {
  const { app, phone, edge, config } = await rig(t, certificates)
  app.answer = answering(app)
  const one = await phone()
  const pid = edge.pid()
  await edge.reloadCredentials([config.credentials[1]!])
  t.is((await one.call()).startLine, 'SIP/2.0 403 Forbidden')
  await edge.reloadCredentials(config.credentials)
  t.is((await one.call()).startLine, 'SIP/2.0 200 OK')
  t.is(edge.pid(), pid)
})

test('kill -9: the edge is told lost, runs again, and takes calls', async (t) => {
  const app = await Application.open(t)
  app.answer = answering(app)
  const config = await edgeConfig(t, certificates, [app.port])
  const states: string[] = []
  const again = Promise.withResolvers<void>()
  const edge = await startEdge(config, {
    log: silentLog,
    clock: systemClock,
    onState: (state) => {
      states.push(state)
      if (state === 'running') again.resolve()
    }
  })
  t.teardown(() => edge.stop())
  const options = { rejectUnauthorized: false }
  const early = await Phone.open(t, config.listen.tls.port, options)
  const challenge = await early.ask()
  const used = await early.ask({ cseq: 2, headers: [authorize(challenge)] })
  t.is(used.startLine, 'SIP/2.0 200 OK')
  const before = edge.pid()!
  process.kill(before, 'SIGKILL')
  await again.promise
  t.deepEqual(states, ['lost', 'running'])
  t.not(edge.pid(), before)
  const phone = await Phone.open(t, config.listen.tls.port, options)
  const replayed = await phone.ask({ cseq: 2, headers: [authorize(challenge)] })
  t.is(replayed.startLine, 'SIP/2.0 407 Proxy Authentication Required', 'credentials used before the death are not good after it')
  t.is((await phone.call()).startLine, 'SIP/2.0 200 OK')
})

test('kill -9 of one of its processes: the others do not go on without it, the edge runs again, and takes calls', async (t) => {
  const app = await Application.open(t)
  app.answer = answering(app)
  const config = await edgeConfig(t, certificates, [app.port])
  const states: string[] = []
  const edge = await startEdge(config, { log: silentLog, clock: systemClock, onState: (state) => void states.push(state) })
  t.teardown(() => edge.stop())
  const before = edge.pid()!
  const children = childrenOf(before)
  t.true(children.length > 3)
  process.kill(children.at(-1)!, 'SIGKILL')
  for (let waited = 0; states.length < 2 && waited < 15_000; waited += 50) await sleep(50)
  t.deepEqual(states, ['lost', 'running'])
  t.not(edge.pid(), before)
  for (const pid of children) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  const phone = await Phone.open(t, config.listen.tls.port, { rejectUnauthorized: false })
  t.is((await phone.call()).startLine, 'SIP/2.0 200 OK')
})

test('an edge that lives and does not answer is told lost; one that stays so is killed and started anew', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const states: string[] = []
  const edge = await startEdge(config, {
    log: silentLog,
    clock: systemClock,
    onState: (state, detail) => void states.push(detail ?? state),
    probe: { everyMs: 100, withinMs: 500, lostAfter: 2, hopelessAfter: 6 }
  })
  t.teardown(() => edge.stop())
  const reaches = async (count: number) => {
    for (let waited = 0; states.length < count && waited < 30_000; waited += 50) await sleep(50)
  }
  const before = edge.pid()!
  const all = [before, ...childrenOf(before)]
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  await reaches(1)
  for (const pid of all) process.kill(pid, 'SIGCONT')
  await reaches(2)
  t.deepEqual(states, ['no answer', 'running'])
  t.is(edge.pid(), before)
  for (const pid of all) process.kill(pid, 'SIGSTOP')
  await reaches(5)
  t.is(states[2], 'no answer')
  t.is(states[4], 'running')
  t.not(edge.pid(), before)
  t.deepEqual(all.filter(lives), [])
})

/** Neither gone nor a zombie, of which nobody has asked how it ended. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

test('forked processes do not share what OpenSSL keeps for a thread', async (t) => {
  const { edge } = await rig(t, certificates)
  const maps = readFileSync(`/proc/${edge.pid()}/maps`, 'utf8')
  t.regex(maps, /openssl-fork\.so/, 'run scripts/setup.sh')
})

test('Kamailio from 5.8 on is told to keep its processes apart by itself', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const local = (kamailioVersion: string) => renderEdge({ ...config, kamailioVersion }).get('kamailio-local.cfg')!
  t.notRegex(local('5.7.6'), /tls_threads_mode/)
  t.regex(local('5.8.0'), /^tls_threads_mode=2$/m)
  t.regex(local('6.0.1'), /^tls_threads_mode=2$/m)
})

test('a UDP port that another program has keeps the edge from starting, though both could share it', async (t) => {
  const taken = createSocket({ type: 'udp4', reuseAddr: true })
  t.teardown(() => taken.close())
  taken.bind(0, '127.0.0.1')
  await once(taken, 'listening')
  const config = await edgeConfig(t, certificates, [5080])
  const { port } = taken.address()
  const there = { address: '127.0.0.1', port }
  for (const wanted of [{ listen: { ...config.listen, udp: there } }, { inside: there }]) {
    const error = await t.throwsAsync(startEdge({ ...config, ...wanted }, { log: silentLog, clock: systemClock }))
    t.like(error, { code: 'edge.port.taken', message: `UDP port ${port} of 127.0.0.1 is taken by another program` })
  }
})

test('the edge ends with the process that runs it, even when that is killed', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const script = `
    import { startEdge } from '#kamailio'
    import { silentLog, systemClock } from '#kernel'
    const edge = await startEdge(${JSON.stringify(config)}, { log: silentLog, clock: systemClock })
    process.stdout.write(String(edge.pid()))`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const pid = await new Promise<number>((resolve) => child.stdout.once('data', (data) => resolve(Number(data))))
  t.true(existsSync(`/proc/${pid}`))
  child.kill('SIGKILL')
  for (let waited = 0; existsSync(`/proc/${pid}`) && waited < 5000; waited += 50) await sleep(50)
  t.false(existsSync(`/proc/${pid}`))
})

test('what cannot be used is said before anything starts', async (t) => {
  const config = await edgeConfig(t, certificates, [5080])
  const error = t.throws(() =>
    renderEdge({
      ...config,
      realm: 'a"b',
      allowlist: [{ network: '300.1.1.1/40', name: '' }],
      credentials: [{ user: 'a b', ha1Md5: 'x', ha1Sha256: null }]
    })
  )
  t.regex(error.message, /allowlist\[0\].*realm.*credentials\[0\]\.user.*ha1Md5/)
  const { certificate, key } = await issueCertificate(certificates.authority, {
    name: 'old',
    commonName: 'edge.test',
    usage: 'server',
    notBefore: new Date(0),
    notAfter: new Date(86_400_000)
  })
  await t.throwsAsync(
    startEdge({ ...config, tls: { ...config.tls, certificate, key } }, { log: silentLog, clock: systemClock }),
    { code: 'edge.certificate.invalid' }
  )
  await t.throwsAsync(
    startEdge({ ...config, listen: { tls: { address: '203.0.113.77', port: 5061 } } }, { log: silentLog, clock: systemClock }),
    { code: 'edge.start.failed' }
  )
})

for (const profile of ['development', 'production'] as const) {
  for (const extra of [{}, { allowDigestWithoutQop: true, h323Gateways: [{ address: '127.0.0.1', port: 1720 }], debug: true }]) {
    test(`kamailio -c takes the ${profile} profile${'debug' in extra ? ' with every option' : ''}`, async (t) => {
      const config = await edgeConfig(t, certificates, [5080])
      await t.notThrowsAsync(writeEdge({ ...config, profile, ...extra }))
    })
  }
}
