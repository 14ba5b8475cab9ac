import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { InfraFabricError, silentLog } from '#kernel'
import { createSipServer, type SipServer } from '../sip-engine.ts'
import { connectSrf, type SrfRequest, type SrfResponse } from '../testing/srf.ts'
import { methodLabel, statusLabel } from './metrics.ts'

async function start(t: ExecutionContext): Promise<SipServer> {
  const engine = await createSipServer({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 0 },
      { transport: 'tcp', address: '127.0.0.1', port: 0 }
    ],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    log: silentLog,
    timers: { t1Ms: 20 },
    metrics: { port: 0 },
    capture: { address: '127.0.0.1', port: 9, agentId: 1 }
  })
  t.teardown(() => engine.close())
  return engine
}

interface Family {
  readonly help: string
  readonly type: string
  /** Value by name and labels as written. */
  readonly samples: Map<string, number>
}

/** Reads the text exposition, strictly: HELP and TYPE come before the samples of a family, and no sample stands twice. */
function parse(t: ExecutionContext, text: string): Map<string, Family> {
  const families = new Map<string, Family>()
  let help = ''
  let current: (Family & { name: string }) | undefined
  t.true(text.endsWith('\n'))
  for (const line of text.split('\n')) {
    if (line === '') continue
    const described = /^# HELP ([a-z_:][a-z0-9_:]*) (\S.*)$/.exec(line)
    const typed = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram)$/.exec(line)
    if (described !== null) help = described[2]!
    else if (typed !== null) {
      t.false(families.has(typed[1]!), line)
      current = { name: typed[1]!, help, type: typed[2]!, samples: new Map() }
      families.set(typed[1]!, current)
    } else {
      const sample = /^([a-z_:][a-z0-9_:]*)((?:\{(?:[a-z_]+="[^"\\\n]*",?)+\})?) (\S+)$/.exec(line)
      t.truthy(sample, line)
      t.true(sample![1]!.startsWith(current!.name), line)
      const key = sample![1]! + sample![2]!
      t.false(current!.samples.has(key), line)
      t.false(Number.isNaN(Number(sample![3])), line)
      current!.samples.set(key, Number(sample![3]))
    }
  }
  return families
}

async function scrape(t: ExecutionContext, engine: SipServer): Promise<Map<string, Family>> {
  const response = await fetch(`http://127.0.0.1:${engine.metricsPort}/metrics`)
  t.is(response.status, 200)
  t.regex(response.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  return parse(t, await response.text())
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}

const request = (method: string, branch: string): string =>
  [
    `${method} sip:b@127.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK${branch}`,
    'Max-Forwards: 70',
    'From: <sip:a@b>;tag=1',
    'To: <sip:b@127.0.0.1>',
    `Call-ID: ${branch}`,
    `CSeq: 7 ${method}`,
    'Content-Length: 0',
    '',
    ''
  ].join('\r\n')

test('a scrape: what passed, by method and status; durations; connections; applications', async (t) => {
  const engine = await start(t)
  const { srf } = await connectSrf(engine.adminPort, (it) =>
    it.options((_: SrfRequest, response: SrfResponse) => response.send(486))
  )
  t.teardown(() => srf.disconnect())
  const caller = createSocket('udp4')
  t.teardown(() => caller.close())
  let answers = 0
  caller.on('message', () => answers++)
  const ask = async (text: string): Promise<void> => {
    const before = answers
    caller.send(text, engine.addresses[0]!.port, '127.0.0.1')
    await until(() => answers > before)
  }
  await ask(request('OPTIONS', 'a'))
  await ask(request('OPTIONS', 'a'))
  await ask(request('X-EVIL', 'b'))
  const stream = connect(engine.addresses[1]!.port, '127.0.0.1')
  t.teardown(() => stream.destroy())
  await until(() => engine.stats().connections === 1)

  const families = await scrape(t, engine)
  const value = (family: string, labels = '', suffix = ''): number | undefined =>
    families.get(family)?.samples.get(`${family}${suffix}${labels}`)
  t.is(value('sip_engine_wire_requests_total', '{direction="in",transport="udp",method="OPTIONS"}'), 2)
  t.is(value('sip_engine_wire_requests_total', '{direction="in",transport="udp",method="other"}'), 1)
  t.is(value('sip_engine_wire_responses_total', '{direction="out",transport="udp",method="OPTIONS",status="486"}'), 2)
  t.is(value('sip_engine_requests_received_total'), engine.stats().requestsReceived)
  t.is(value('sip_engine_retransmissions_received_total'), 1)
  t.is(value('sip_engine_applications'), 1)
  t.is(value('sip_engine_connections', '{transport="tcp"}'), 1)
  const labels = '{role="server",method="OPTIONS",result="4xx"}'
  t.is(value('sip_engine_transaction_duration_seconds', labels, '_count'), 1)
  t.true(value('sip_engine_transaction_duration_seconds', labels, '_sum')! < 5)
  t.true(value('process_resident_memory_bytes')! > 10_000_000)
  t.true(value('process_cpu_seconds_total')! > 0)
  t.true(Math.abs(value('process_start_time_seconds')! * 1000 - Date.now()) < 600_000)
  t.true(value('sip_engine_event_loop_lag_seconds', '{quantile="0.99"}')! >= 0)
  t.is(families.get('sip_engine_connections')!.type, 'gauge')
  for (const [name, { type, help }] of families) {
    t.true(help.length > 10, name)
    t.is(name.endsWith('_total'), type === 'counter', name)
  }
  const again = await scrape(t, engine)
  t.is(again.get('sip_engine_retransmissions_received_total')!.samples.get('sip_engine_retransmissions_received_total'), 1)
})

test('every counter and gauge of the engine has a metric', async (t) => {
  const engine = await start(t)
  const families = await scrape(t, engine)
  const names = [...families.keys()].map((name) => name.replace(/^sip_engine_|_total$/g, '').replaceAll('_', ''))
  for (const key of Object.keys(engine.stats())) {
    const name = key === 'proxied' ? 'proxiedrequests' : key.toLowerCase()
    t.true(names.includes(name), key)
  }
})

test('a client transaction that nobody answers is counted as unanswered', async (t) => {
  const engine = await start(t)
  const { srf } = await connectSrf(engine.adminPort)
  t.teardown(() => srf.disconnect())
  const silent = createSocket('udp4')
  t.teardown(() => silent.close())
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve))
  const status = await new Promise<number>((resolve, reject) =>
    srf.request(`sip:x@127.0.0.1:${silent.address().port}`, { method: 'OPTIONS' }, (error, sent) => {
      if (error) reject(error)
      else sent.on('response', (response: { status: number }) => resolve(response.status))
    })
  )
  t.is(status, 408)
  const family = (await scrape(t, engine)).get('sip_engine_transaction_duration_seconds')!
  const key = 'sip_engine_transaction_duration_seconds_count{role="client",method="OPTIONS",result="unanswered"}'
  t.is(family.samples.get(key), 1)
})

test('the README has a row for every metric, with its type, and no other', async (t) => {
  const families = await scrape(t, await start(t))
  const rows = readFileSync(new URL('../README.md', import.meta.url), 'utf8').matchAll(
    /^\| `(sip_engine_\w+|process_\w+)` \| (\w+) \|/gm
  )
  const documented = [...rows].map(([, name, type]) => `${name} ${type}`)
  t.deepEqual(documented.sort(), [...families].map(([name, { type }]) => `${name} ${type}`).sort())
})

test('labels are bounded, whatever callers write', (t) => {
  t.is(methodLabel('INVITE'), 'INVITE')
  t.is(methodLabel('invite'), 'other')
  t.is(methodLabel('X'.repeat(60)), 'other')
  const labels = new Set(Array.from({ length: 600 }, (_, index) => statusLabel(100 + index)))
  t.true(labels.has('486') && labels.has('4xx') && !labels.has('499'))
  t.true(labels.size < 100)
})

test('the port serves GET /metrics and nothing else, and takes no slow request', async (t) => {
  const engine = await start(t)
  const at = `http://127.0.0.1:${engine.metricsPort}`
  t.is((await fetch(`${at}/`)).status, 404)
  const post = await fetch(`${at}/metrics`, { method: 'POST', body: 'x' })
  t.is(post.status, 405)
  t.is(post.headers.get('allow'), 'GET, HEAD')
  const head = await fetch(`${at}/metrics?x=1`, { method: 'HEAD' })
  t.is(head.status, 200)
  t.is(await head.text(), '')
  const slow = connect(engine.metricsPort, '127.0.0.1')
  slow.on('error', () => undefined)
  slow.write('GET /metrics HTTP/1.1\r\nHost: x\r\n')
  const text = await new Promise<string>((resolve) => {
    let all = ''
    slow.on('data', (bytes) => {
      all += bytes
    })
    slow.on('close', () => resolve(all))
  })
  t.true(text === '' || text.startsWith('HTTP/1.1 408'))
})

test('a metrics port that is taken: a clear error, and nothing stays open', async (t) => {
  const engine = await start(t)
  const udp = engine.addresses[0]!.port
  const listen = [{ transport: 'udp', address: '127.0.0.2', port: udp }] as const
  const error = await t.throwsAsync<InfraFabricError>(
    createSipServer({ listen, log: silentLog, metrics: { port: engine.metricsPort } }),
    { instanceOf: InfraFabricError }
  )
  t.is(error.code, 'sip-engine.listen')
  const second = await createSipServer({ listen, log: silentLog })
  await second.close()
})
