import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { sine } from '#media'
import { startSipp } from '#sipp'
import { type BaresipOptions, startBaresip, toneShare } from './baresip.ts'
import { renderBaresip } from './config.ts'
import { decodeNetstrings, encodeNetstring } from './netstring.ts'

async function phone(t: ExecutionContext, options: BaresipOptions) {
  const started = await startBaresip(options)
  t.teardown(() => started.stop())
  return started
}

test('two phones over UDP: each hears the other one, DTMF and hold work', async (t) => {
  const expert = await phone(t, { address: 'expert@127.0.0.1', source: { toneHz: 600 } })
  const council = await phone(t, { address: 'council@127.0.0.1', source: { toneHz: 900 } })
  const seen: string[] = []
  const collecting = (async () => {
    for await (const event of expert.events()) seen.push(event.type)
  })()
  await expert.dial(council.uri)
  t.is((await council.next('CALL_INCOMING')).direction, 'incoming')
  await council.accept()
  t.like(await expert.next('CALL_ESTABLISHED'), { direction: 'outgoing' })
  await expert.next('CALL_RTPESTAB')
  await delay(2200)
  await expert.dtmf('5')
  t.is((await council.next('CALL_DTMF_START')).parameter, '5')
  await expert.hold()
  await council.next('CALL_REMOTE_SDP')
  await expert.resume()
  await expert.hangup()
  await council.next('CALL_CLOSED')
  const heardByExpert = (await expert.recording())!
  const heardByCouncil = (await council.recording())!
  t.true(heardByExpert.samples.length > 8000)
  t.true(toneShare(heardByExpert, 900) > 0.5)
  t.true(toneShare(heardByExpert, 600) < 0.01)
  t.true(toneShare(heardByCouncil, 600) > 0.5)
  t.true(toneShare(heardByCouncil, 900) < 0.01)
  await expert.stop()
  await collecting
  t.true(seen.includes('CALL_ESTABLISHED'))
})

test('two phones over TLS, each with a certificate', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'baresip-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' })
  for (const name of ['right'])
    openssl(
      ...`req -x509 -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.pem -days 2 -subj /CN=127.0.0.1 -addext`.split(' '),
      'subjectAltName=IP:127.0.0.1,DNS:127.0.0.1'
    )
  const pem = (name: string) => readFileSync(join(directory, name), 'utf8')
  const council = await phone(t, {
    address: 'council@127.0.0.1',
    transport: 'tls',
    tls: { certificate: pem('right.pem'), key: pem('right.key') },
    source: { toneHz: 900 },
    answer: 'auto'
  })
  const expert = await phone(t, {
    address: 'expert@127.0.0.1',
    transport: 'tls',
    tls: { ca: pem('right.pem'), certificate: pem('right.pem'), key: pem('right.key') },
    source: { toneHz: 600 }
  })
  await expert.dial(council.uri)
  await expert.next('CALL_ESTABLISHED')
  await delay(1500)
  await expert.hangup()
  await council.next('CALL_CLOSED')
  t.true(toneShare((await expert.recording())!, 900) > 0.5)
})

test('answers a digest challenge, and a SIPp council takes the call', async (t) => {
  const council = await startSipp({
    scenario: 'uas-council',
    service: 'council',
    keys: { domain: '127.0.0.1' },
    timeoutMs: 60_000
  })
  await council.ready
  const expert = await phone(t, {
    address: 'expert-safety@127.0.0.1',
    digest: { user: 'expert-safety', password: 'safety-secret' },
    outbound: { host: '127.0.0.1', port: council.port }
  })
  await expert.dial(`sip:council-safety@127.0.0.1:${council.port}`)
  await expert.next('CALL_ESTABLISHED')
  await expert.hangup()
  t.is((await council.result).outcome, 'passed')
})

test('what cannot work is an error that says so, and nothing is left', async (t) => {
  await t.throwsAsync(startBaresip({ address: 'two words@host' }), { code: 'baresip.setting' })
  await t.throwsAsync(startBaresip({ address: 'a@b', digest: { user: 'x', password: 'se;cret' } }), { code: 'baresip.setting' })
  const started = await startBaresip({ address: 'a@127.0.0.1', timeoutMs: 2000 })
  await t.throwsAsync(started.next('CALL_CLOSED', 20), { code: 'baresip.timeout' })
  const waiting = t.throwsAsync(started.next('CALL_CLOSED'), { code: 'baresip.ended' })
  await started.stop()
  await waiting
  t.throws(() => process.kill(started.pid, 0), { code: 'ESRCH' })
  await started.stop()
  t.false(existsSync(started.directory))
})

test('configuration: loopback only, no registration unless asked', (t) => {
  const { config, accounts } = renderBaresip({
    account: {
      address: 'a@b',
      transport: 'tls',
      outbound: '127.0.0.1:5061',
      digest: { user: 'u', password: 'p' },
      answer: 'manual',
      registerIntervalS: 0,
      srtp: false,
      ice: false
    },
    modulePath: '/m',
    host: '127.0.0.1',
    sipPort: 20_000,
    controlPort: 20_004,
    rtpPorts: [20_008, 20_011],
    sourceFile: '/s.wav',
    recordingDirectory: '/r',
    caFile: '/ca.pem',
    codecs: ['PCMA']
  })
  t.is(
    accounts,
    '<sip:a@b;transport=tls>;regint=0;outbound="sip:127.0.0.1:5061;transport=tls";auth_user=u;auth_pass=p;audio_codecs=PCMA;answermode=manual\n'
  )
  for (const line of ['net_interface 127.0.0.1', 'sip_listen 127.0.0.1:20000', 'sip_cafile /ca.pem', 'rtp_ports 20008-20011'])
    t.true(config.includes(`${line}\n`), line)
})

test('netstrings: any texts, cut anywhere, come out as they went in', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 40 })), fc.nat(), (texts, cut) => {
      const octets = Buffer.concat(texts.map(encodeNetstring))
      const at = octets.length === 0 ? 0 : cut % octets.length
      const first = decodeNetstrings(octets.subarray(0, at))
      const second = decodeNetstrings(Buffer.concat([first.rest, octets.subarray(at)]))
      t.deepEqual(
        [...first.texts, ...second.texts],
        texts.map((text) => Buffer.from(text).toString())
      )
      t.is(second.rest.length, 0)
    })
  )
  for (const bad of ['x', ':,', '01:a,', '3:abcd', '999999:'])
    t.throws(() => decodeNetstrings(Buffer.from(bad)), { code: 'baresip.netstring' }, bad)
})

test('tone share: a sine is all at its frequency, silence nowhere', (t) => {
  const wave = (frequencyHz: number) => ({ sampleRateHz: 8000, samples: sine(8000, frequencyHz, -12, 16_000) })
  t.true(toneShare(wave(600), 600) > 0.99)
  t.true(toneShare(wave(600), 900) < 0.001)
  t.is(toneShare(wave(0), 600), 0)
})
