import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { exitCodes } from '../line/exit-codes.ts'
import { finished, ifctl, start, withFolder } from '../testing/run.ts'

/** Records of `sip-server --json` as they come. */
async function serve(t: ExecutionContext, args: readonly string[]) {
  const child = start(['sip-server', '--json', ...args])
  t.teardown(() => child.kill('SIGKILL'))
  const records: Record<string, unknown>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => records.push(JSON.parse(line)))
  const ended = finished(child)
  const seen = async (found: (record: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> => {
    const deadline = performance.now() + 15_000
    for (;;) {
      const record = records.find(found)
      if (record !== undefined) return record
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`not seen: ${(await ended).stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const ready = (await seen(({ type }) => type === 'ready')) as {
    addresses: { port: number }[]
    adminPort: number
    metricsPort: number
  }
  return { child, ended, seen, ready }
}

test('runs alone, answers SIP and metrics, takes over what a reload may change, and stops at SIGTERM', (t) =>
  withFolder(async (folder) => {
    const file = join(folder, 'server.yaml')
    const settings = (change: string): string =>
      `listen: [udp:127.0.0.1:0]\nadmin: { port: 0, secretFile: secret }\nmetrics: { port: 0 }\n${change}`
    const replace = async (text: string): Promise<void> => {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    }
    await writeFile(join(folder, 'secret'), 'cymru\n')
    await replace(settings(''))
    const { child, ended, seen, ready } = await serve(t, ['--config', file])

    const socket = createSocket('udp4')
    t.teardown(() => socket.close())
    const request = [
      'OPTIONS sip:x@127.0.0.1 SIP/2.0',
      'Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1',
      'Max-Forwards: 70',
      'From: <sip:a@b>;tag=1',
      'To: <sip:x@127.0.0.1>',
      'Call-ID: 1',
      'CSeq: 1 OPTIONS',
      '',
      ''
    ].join('\r\n')
    socket.send(request, ready.addresses[0]!.port, '127.0.0.1')
    const [answer] = await once(socket, 'message')
    t.regex(String(answer), /^SIP\/2\.0 503 /)
    const metrics = await (await fetch(`http://127.0.0.1:${ready.metricsPort}/metrics`)).text()
    t.true(metrics.includes('\nsip_engine_unhandled_total 1\n'))

    await replace(settings('logLevel: debug\nuserAgent: changed\n'))
    child.kill('SIGHUP')
    t.deepEqual((await seen(({ msg }) => msg === 'changed, but needs a restart')).settings, ['userAgent'])
    await replace('listen: [\n')
    child.kill('SIGHUP')
    t.truthy((await seen(({ msg }) => msg === 'not reloaded')).problems)

    child.kill('SIGTERM')
    const { code, stderr } = await ended
    t.is(code, exitCodes.ok, stderr)
  }))

test('readable lines on stderr; SIGINT stops it; stdout stays empty', (t) =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'secret'), 'cymru')
    const args = [
      '--listen',
      'udp:127.0.0.1:0,tcp:127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
      '--secret-file',
      join(folder, 'secret')
    ]
    const child = start(['sip-server', ...args])
    t.teardown(() => child.kill('SIGKILL'))
    child.stderr.on('data', (text) => String(text).includes('Ctrl-C') && child.kill('SIGINT'))
    const { code, stdout, stderr } = await finished(child)
    t.is(code, exitCodes.ok, stderr)
    t.is(stdout, '')
    t.regex(stderr, /^\d\d:\d\d:\d\d\.\d{3} info {2}sip engine listens /m)
    t.regex(stderr, /^ {2}SIP over TCP +127\.0\.0\.1:\d+$/m)
    t.false(stderr.includes('cymru'))
  }))

test('exit codes: problems of the settings, a port that is taken, a wrong command line', (t) =>
  withFolder(async (folder) => {
    await writeFile(join(folder, 'good.yaml'), 'listen: [udp:127.0.0.1:5060]\nadmin: { secret: a }\n')
    await writeFile(join(folder, 'bad.yaml'), 'listen: [udp:0.0.0.0:5060]\nadmin: { secret: a, secretFile: b }\n')
    const good = await ifctl(['sip-server', '--config', join(folder, 'good.yaml'), '--check', '--json'])
    t.deepEqual([good.code, JSON.parse(good.stdout)], [exitCodes.ok, { valid: true, problems: [] }])
    const bad = await ifctl(['sip-server', '--config', join(folder, 'bad.yaml'), '--check'])
    t.is(bad.code, exitCodes.failure)
    t.regex(bad.stderr, /2 problems \(config\.invalid\)\n {2}admin\.secret: .*\n {2}listen\[0\]\.advertise: /)
    t.is((await ifctl(['sip-server'])).code, exitCodes.usage)
    const taken = createSocket('udp4')
    await new Promise<void>((resolve) => taken.bind(0, '127.0.0.1', resolve))
    const listen = `udp:127.0.0.1:${taken.address().port}`
    const refused = await ifctl([
      'sip-server',
      '--config',
      join(folder, 'good.yaml'),
      '--admin',
      '127.0.0.1:0',
      '--listen',
      listen
    ])
    await new Promise<void>((resolve) => taken.close(resolve))
    t.is(refused.code, exitCodes.failure)
    t.regex(refused.stderr, /cannot listen: .*EADDRINUSE.* \(sip-engine\.listen\)/)
  }))

test('import: YAML on stdout that --check takes, notes with lines on stderr', (t) =>
  withFolder(async (folder) => {
    const source =
      '<drachtio>\n<admin port="9022" secret="s">127.0.0.1</admin>\n<sip><contact>sip:*:5080</contact></sip>\n<odd/>\n</drachtio>'
    const made = await ifctl(['sip-server', 'import', '-', '--address', '127.0.0.1'], { input: source })
    t.is(made.code, exitCodes.ok)
    t.is(made.stderr, '-:4: odd: unknown element\n')
    await writeFile(join(folder, 'made.yaml'), made.stdout)
    t.is((await ifctl(['sip-server', '--config', join(folder, 'made.yaml'), '--check'])).code, exitCodes.ok)
    const json = JSON.parse((await ifctl(['sip-server', 'import', '-', '--json'], { input: source })).stdout)
    t.is(json.notes.length, 2)
    const broken = await ifctl(['sip-server', 'import', '-'], { input: '<drachtio>\n<a></drachtio>' })
    t.is(broken.code, exitCodes.failure)
    t.regex(broken.stderr, /line 2: .*\(sip-engine\.xml\)/)
  }))
