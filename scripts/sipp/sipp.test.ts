import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import test from 'ava'
import fc from 'fast-check'
import { SaxesParser } from 'saxes'
import { sippArguments } from './options.ts'
import { freeUdp } from './ports.ts'
import {
  chart,
  failureText,
  freePort,
  junit,
  outcomeOf,
  parseErrors,
  parseMessageCounts,
  parseResponseTimes,
  parseSippVersion,
  parseStatistics,
  progressLine,
  runSipp,
  sentHeader,
  startSipp,
  summarise
} from './sipp.ts'

const sample = (name: string) => readFileSync(join(import.meta.dirname, 'testdata', name), 'utf8')
const keys = { domain: 'edge.test', hazard: 'safety' }
const csvFiles = [join(import.meta.dirname, '../../sipp-scenarios/experts.csv')]
const common = { keys, csvFiles, service: 'council-safety', pauseMs: 50, timeoutMs: 10_000, receiveTimeoutMs: 5000 }

test('statistics of a run that passed', (t) => {
  const reports = parseStatistics(sample('passed-statistics.csv'))
  const last = reports.at(-1)!
  t.like(last.calls, { created: 20, current: 0, successful: 20, failed: 0, failures: {} })
  t.is(last.rate.target, 20)
  t.true(last.elapsedMs > 900 && last.elapsedMs < 5000)
  t.deepEqual(Object.keys(last.responseTimes), ['1'])
  t.true(last.callLength.meanMs >= 100)
  t.regex(progressLine(last), /20 ok {2}0 failed/)
})

test('statistics of a run that failed, and files that are none', (t) => {
  t.like(parseStatistics(sample('failed-statistics.csv')).at(-1)!.calls, { failed: 3, failures: { UnexpectedMessage: 3 } })
  t.deepEqual(parseStatistics(''), [])
  const text = sample('failed-statistics.csv')
  const lines = text.split('\n')
  t.is(parseStatistics(text.slice(0, -5)).length, lines.length - 3)
  t.throws(() => parseStatistics('a;b;c;\n'), { code: 'sipp.statistics.header' })
  t.throws(() => parseStatistics(`${lines[0]}\n1;2;\n`), { code: 'sipp.statistics.row' })
  t.throws(() => parseStatistics(`${lines[0]}\n${lines[1]!.replace(/;0;/, ';zero;')}\n`), { code: 'sipp.statistics.row' })
})

test('the chart: a curve a measured time, every octet of it XML', (t) => {
  const summary = { ...summarise([1, 2, 3, 40])!, partitions: [] }
  const result = { scenario: 'a<b>&"\u0001.xml', transport: 'udp', calls: { created: 4, successful: 4 }, rate: 2 }
  const drawn = (responseTimes: object) => chart({ ...result, responseTimes } as unknown as Parameters<typeof chart>[0])
  const svg = drawn({ 1: summary, refresh: summary })
  t.is(svg.match(/<polyline /g)?.length, 2)
  t.is(/points="([^"]*)"/.exec(svg)![1]!.split(' ').length, 101)
  t.true(svg.includes('1: p50 2, p99 40 ms'))
  t.true(svg.includes('a&#60;b&#62;&#38;&#34;\ufffd.xml'))
  t.true(drawn({}).includes('no response time was measured'))
  t.notThrows(() => new SaxesParser().write(svg).close())
})

test('response times and nearest-rank percentiles', (t) => {
  t.is(parseResponseTimes(sample('passed-response-times.csv')).get('1')?.length, 20)
  t.is(parseResponseTimes('').size, 0)
  t.throws(() => parseResponseTimes('x\n'), { code: 'sipp.response-times' })
  t.throws(() => parseResponseTimes('Date_ms;response_time_ms;rtd_no\nx;y;z\n'), { code: 'sipp.response-times' })
  t.is(summarise([]), null)
  t.like(summarise([5, 1, 3, 2, 4]), { count: 5, minMs: 1, meanMs: 3, p50Ms: 3, p90Ms: 5, p95Ms: 5, p99Ms: 5, maxMs: 5 })
  fc.assert(
    fc.property(fc.array(fc.nat(10_000), { minLength: 1 }), (times) => {
      const { minMs, p50Ms, p95Ms, p99Ms, maxMs } = summarise(times)!
      t.true(minMs <= p50Ms && p50Ms <= p95Ms && p95Ms <= p99Ms && p99Ms <= maxMs && times.includes(p95Ms))
    })
  )
})

test('message counts, errors, sent headers', (t) => {
  const counts = parseMessageCounts(sample('passed-message-counts.csv'))
  t.like(counts[0], { step: 0, name: 'INVITE', sent: 20, unexpected: 0 })
  t.deepEqual(parseMessageCounts(''), [])
  const errors = parseErrors(sample('failed-errors.log'))
  t.is(errors.length, 5)
  t.is(errors.filter((error) => error.text.startsWith('Aborting call')).length, 3)
  t.regex(errors[0]!.received ?? '', /^SIP\/2\.0 403 Forbidden$/)
  t.regex(errors[0]!.text, /while expecting/)
  t.truthy(errors[0]!.callId)
  t.deepEqual(parseErrors('no event here'), [])
  const credentials = sentHeader(sample('failed-messages.log'), 'proxy-authorization')
  t.is(credentials.length, 3)
  t.true(credentials.every((value) => value.includes('uri="sip:council-safety@edge.test"')))
})

test('exit codes, version, arguments', (t) => {
  t.deepEqual(
    [0, 1, 97, 99, 254, 255, -1, -2, null].map((code) => outcomeOf(code)),
    ['passed', 'failed', 'stopped', 'no-calls', 'bind-failed', 'fatal', 'fatal', 'bind-failed', 'killed']
  )
  t.deepEqual(parseSippVersion(' SIPp v3.6.1-SCTP-PCAP-RTPSTREAM.\n'), {
    version: '3.6.1',
    tls: false,
    pcap: true,
    rtpStream: true
  })
  t.true(parseSippVersion('SIPp v3.7.2-TLS_OPENSSL-PCAP').tls)
  t.throws(() => parseSippVersion('something else'), { code: 'sipp.version' })
  const argv = sippArguments({ ...common, scenario: 'x' }, { scenarioFile: 'x.xml', sipPort: 1, mediaPort: 2, controlPort: 3 })
  t.is(argv[argv.indexOf('-auth_uri') + 1], 'council-safety@edge.test')
  t.is(argv[argv.indexOf('-i') + 1], '127.0.0.1')
})

test('a run that passes: progress, response times, and no file left', async (t) => {
  const called = await startSipp({ ...common, scenario: 'uas-council', calls: 5 })
  await called.ready
  const seen: number[] = []
  const result = await runSipp({
    ...common,
    scenario: 'uac-expert',
    calls: 5,
    rate: 50,
    target: { host: '127.0.0.1', port: called.port },
    onProgress: ({ calls }) => seen.push(calls.successful)
  })
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(result.calls.successful, 5)
  t.is(result.responseTimes['1']?.count, 5)
  t.is(seen.at(-1), 5)
  t.is((await called.result).outcome, 'passed')
  for (const { pid } of [called]) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

test('a run that fails says what was unexpected, and keeps its files when asked', async (t) => {
  const logDirectory = mkdtempSync(join(tmpdir(), 'sipp-test-'))
  t.teardown(() => rmSync(logDirectory, { recursive: true, force: true }))
  const called = await startSipp({ ...common, scenario: 'uas-council-refuses' })
  await called.ready
  const result = await runSipp({
    ...common,
    scenario: 'uac-expert',
    logDirectory,
    target: { host: '127.0.0.1', port: called.port }
  })
  t.is(result.outcome, 'failed')
  t.regex(failureText(result) ?? '', /1 of 1 calls failed; first: .* received SIP\/2\.0 403 Forbidden/)
  t.true(existsSync(join(logDirectory, 'messages.log')))
  await called.stop()
})

test('timeout, abort and stop end the process', async (t) => {
  const waiting = await startSipp({ ...common, scenario: 'uas-council', timeoutMs: 300 })
  t.is((await waiting.result).outcome, 'timeout')
  const abort = new AbortController()
  const aborted = await startSipp({ ...common, scenario: 'uas-council', signal: abort.signal })
  await aborted.ready
  abort.abort()
  t.is((await aborted.result).outcome, 'aborted')
  const stopped = await startSipp({ ...common, scenario: 'uas-council' })
  await stopped.ready
  t.is((await stopped.stop()).outcome, 'stopped')
  for (const { pid } of [waiting, aborted, stopped]) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

test('what cannot start is an error or a named outcome', async (t) => {
  await t.throwsAsync(startSipp({ ...common, scenario: 'uac-nobody' }), { code: 'sipp.scenario-missing' })
  await t.throwsAsync(startSipp({ ...common, scenario: 'uac-expert', csvFiles: ['/nowhere.csv'] }), { code: 'sipp.csv-missing' })
  const directory = mkdtempSync(join(tmpdir(), 'sipp-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'broken.xml'), '<scenario name="x"><send>[nobody-knows]</send></scenario>')
  const broken = await startSipp({ ...common, scenario: join(directory, 'broken.xml') })
  await t.throwsAsync(broken.ready, { code: 'sipp.not-ready' })
  t.is((await broken.result).outcome, 'fatal')
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const bind = await runSipp({ ...common, scenario: 'uas-council', transport: 'tcp', localPort: port })
  t.true(['fatal', 'bind-failed'].includes(bind.outcome))
  t.regex(bind.errors.first?.text ?? '', /bind/i)
  taken.close()
})

test('TLS goes through the relay, with the certificate checked, and the message says TLS', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sipp-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const request = 'req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=edge.test -addext'
  execFileSync('openssl', [...request.split(' '), 'subjectAltName=DNS:edge.test'], { cwd: directory, stdio: 'pipe' })
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(join(directory, name), 'utf8')) as [string, string]
  const requests: string[] = []
  const edge = createTlsServer({ key, cert }, (socket) => {
    let received = ''
    socket.on('error', () => {})
    socket.on('data', (octets) => {
      received += octets
      if (!received.includes('\r\n\r\n')) return
      requests.push(received)
      const headers = received.split('\r\n')
      received = ''
      const copied = headers.filter((line) => /^(Via|From|Call-ID|CSeq):/.test(line))
      socket.write(['SIP/2.0 200 OK', ...copied, 'To: <sip:council@edge.test>;tag=1', 'Content-Length: 0', '', ''].join('\r\n'))
    })
  }).listen(0, '127.0.0.1')
  await once(edge, 'listening')
  const { port } = edge.address() as AddressInfo
  const options = { ...common, scenario: 'uac-options', transport: 'tls', target: { host: '127.0.0.1', port } } as const
  const result = await runSipp({ ...options, tls: { ca: cert, servername: 'edge.test' } })
  t.is(result.outcome, 'passed', failureText(result) ?? '')
  t.is(requests.length, 1)
  t.regex(requests[0]!, /^Via: SIP\/2\.0\/TLS /m)
  const refused = await runSipp({
    ...options,
    tls: { ca: cert, servername: 'other.test' },
    receiveTimeoutMs: 500,
    timeoutMs: 3000
  })
  t.not(refused.outcome, 'passed')
  t.regex(failureText(refused)!, new RegExp(`no TLS connection to 127\\.0\\.0\\.1:${port}: .*ERR_TLS_CERT_ALTNAME_INVALID`))
  edge.close()
})

test('where nobody listens, the failure says so, and where', async (t) => {
  const port = await freePort('127.0.0.1')
  for (const transport of ['tls', 'tcp'] as const) {
    const result = await runSipp({ ...common, scenario: 'uac-options', transport, target: { host: '127.0.0.1', port } })
    t.like(result, { outcome: 'fatal', calls: { successful: 0 } })
    t.is(failureText(result), `run ended: fatal; first: nobody listens at 127.0.0.1:${port} (${transport.toUpperCase()})`)
  }
})

test('a port that another address has is not free: SIPp listens on all of them for orders', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.9')
  await once(socket, 'listening')
  const { port } = socket.address()
  t.teardown(() => socket.close())
  for (const host of ['127.0.0.1', '::1']) t.false(await freeUdp(host, port), host)
})

test('free ports are given once', async (t) => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => freePort('127.0.0.1')))
  t.is(new Set(ports).size, 20)
})

test('JUnit: escaped, counted', async (t) => {
  const called = await runSipp({ ...common, scenario: 'uas-council', timeoutMs: 200 })
  const xml = junit([called, { ...called, outcome: 'passed' }, { ...called, outcome: 'failed', scenario: 'a<b>&"c".xml' }])
  t.regex(xml, /tests="3" failures="1" errors="1"/)
  t.true(xml.includes('a&#60;b&#62;&#38;&#34;c&#34;'))
  t.false(/name="[^"]*[<>]/.test(xml))
})

test('the command: exit codes, JSON on stdout, JUnit file', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sipp-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const run = async (...argv: string[]) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'run.ts'), ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    child.stdout.on('data', (text) => (stdout += text))
    child.stderr.resume()
    const [code] = await once(child, 'close')
    return { code, stdout }
  }
  t.like(await run('--help'), { code: 0 })
  t.like(await run('uas-council', '--target', 'nowhere'), { code: 2 })
  t.like(await run('uac-nobody'), { code: 3 })
  const credentials = join(directory, 'credentials.json')
  const user = { realm: 'r', ha1Md5: 'a'.repeat(32), ha1Sha256: null, password: 'safety-secret' }
  writeFileSync(credentials, JSON.stringify({ users: { 'expert-safety': user } }))
  t.like(await run('uac-expert', '--as', 'expert-safety'), { code: 2 })
  t.like(await run('uac-expert', '--credentials', credentials, '--as', 'nobody'), { code: 2 })
  t.like(await run('uac-expert', '--credentials', join(directory, 'absent.json')), { code: 2 })
  const council = await startSipp({ scenario: 'uas-council', keys: { domain: 'edge.test' }, calls: 1 })
  const to = ['--target', `127.0.0.1:${council.port}`, '--service', 'council-safety', '--key', 'domain=edge.test']
  const dialled = await run('uac-expert', ...to, '--credentials', credentials, '--pause', '0.1', '--quiet')
  t.is(dialled.code, 0, dialled.stdout)
  t.is((await council.result).outcome, 'passed')
  const junitFile = join(directory, 'out', 'sipp.xml')
  const { code, stdout } = await run(
    'uas-options',
    '--timeout',
    '0.3',
    '--json',
    '--junit',
    junitFile,
    '--key',
    'domain=edge.test'
  )
  t.is(code, 4)
  t.is(JSON.parse(stdout).outcome, 'timeout')
  t.deepEqual(readdirSync(join(directory, 'out')), ['sipp.xml'])
})
