/** SIP over secure WebSocket: JsSIP in Chromium calls a conference through Kamailio, with the credentials of a seat. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import type { SuiteSettings } from '#suite'
import { ifctl } from '../cli/testing/run.ts'
import { executablePath, heardBy, openBrowser, pageOf } from './testing/browser.ts'
import { hears } from './testing/h323.ts'
import { runSuite, tone, until } from './testing/harness.ts'

const withBrowser = executablePath === undefined ? test.skip : test

/** A page elsewhere that has JsSIP, and nothing else. @returns its origin */
async function softphonePage(t: ExecutionContext): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `import JsSIP from 'jssip'; window.JsSIP = JsSIP`, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    logLevel: 'silent'
  })
  const html = `<!doctype html><link rel="icon" href="data:,"><audio id="sound" autoplay></audio><script src="/jssip.js"></script>`
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', url === '/jssip.js' ? 'text/javascript' : 'text/html')
    response.end(url === '/jssip.js' ? outputFiles[0]!.text : html)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Seat {
  readonly url: string
  readonly seat: string
  readonly sip: { readonly url: string; readonly uri: string; readonly user: string; readonly realm: string }
}

/** Calls as whoever has a seat. @returns what became of the call: `confirmed`, or the cause of its failure */
const dial = (page: Page, { url, sip }: Seat, target: string): Promise<string> =>
  page.evaluate(`(async () => {
    const socket = new JsSIP.WebSocketInterface(${JSON.stringify(sip.url)})
    window.agent = new JsSIP.UA({
      sockets: [socket],
      uri: ${JSON.stringify(sip.uri)},
      authorization_user: ${JSON.stringify(sip.user)},
      password: ${JSON.stringify(new URL(url).hash.slice(1))},
      register: false
    })
    const connected = new Promise((resolve) => {
      window.agent.on('connected', () => resolve(true))
      setTimeout(() => resolve(false), 10_000)
    })
    window.agent.start()
    if (!(await connected)) return 'no WebSocket'
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
    window.events = []
    return new Promise((resolve) => {
      setTimeout(() => resolve('no answer: ' + window.call.status + ' ' + window.call.connection?.iceGatheringState), 20_000)
      window.call = window.agent.call(${JSON.stringify(target)}, { mediaStream: stream, pcConfig: { iceServers: [] } })
      window.call.connection.ontrack = ({ track }) => {
        document.getElementById('sound').srcObject = new MediaStream([track])
      }
      window.call.on('confirmed', () => resolve('confirmed'))
      window.call.on('failed', ({ cause, message }) => resolve(cause + ' ' + (message?.status_code ?? '')))
      window.call.on('ended', ({ cause, originator }) => window.events.push(originator + ' ' + cause))
    })
  })()`)

withBrowser('a SIP phone in a browser and a telephone hear each other, and every layer was met', async (t) => {
  const origin = await softphonePage(t)
  const settings: SuiteSettings = { webrtc: { enabled: true, port: 0, maxBrowsers: 10, sip: { port: 0, origins: [origin] } } }
  const run = await runSuite(t, settings)
  const { suite, phone, rtp, entriesOf } = run
  const invite = async (...args: string[]): Promise<Seat> => {
    const { code, stdout, stderr } = await ifctl(['council', 'invite', ...args, '--json', '--data', suite.data.folder])
    t.is(code, 0, stderr)
    return JSON.parse(stdout)
  }
  const sound = await rtp({ says: tone(1000) })
  const expert = await (await phone('expert-safety')).invite({ to: 'council-safety', sdp: sound.sdp() })
  sound.talkTo(expert.response.body)

  const browser = await openBrowser(t, 440)
  const { page, problems } = await pageOf(browser, origin)
  const seat = await invite('guardian-1')
  t.is(await dial(page, seat, 'sip:council@council.invalid'), 'confirmed')
  await until(async () => (await heardBy(page, 1000)) > -45, 15_000, 'the browser hears the telephone')
  t.true(await hears(sound, 440), 'the telephone hears the browser')
  const roster = suite.inside.media.roster('council').map(({ participant, role }) => [participant.replace(/-\w{8}$/, ''), role])
  t.deepEqual(roster.sort(), [
    ['expert-safety', 'expert'],
    ['guardian-1', 'guardian']
  ])
  const [begun] = entriesOf('webrtc_connection_started').filter(({ payload }) => payload.by === 'sip')
  t.is(begun!.payload.seat, seat.seat)
  const trace = begun!.trace_id
  const decision = entriesOf('policy_decision').find((entry) => entry.trace_id === trace)!.payload
  t.like(decision.receipt, {
    facts: { edge: { transport: 'wss', tlsVersion: 'TLSv1.3', authenticatedUser: 'guardian-1' } }
  } as never)
  t.deepEqual(decision.edgeLayers, ['pike', 'allowlist', 'tls', 'digest', 'rate'])
  const events = run.entries().filter((entry) => entry.trace_id === trace)
  for (const event of [
    'policy_decision',
    'webrtc_connection_started',
    'sdp_offer_created',
    'ice_connection_state_changed',
    'media_stream_ready',
    'sip_200_ok'
  ])
    t.true(
      events.some((entry) => entry.event === event),
      event
    )

  await page.evaluate('window.call.hold()')
  await until(async () => !(await hears(sound, 440)), 10_000, 'on hold, it is not heard')
  await page.evaluate('window.call.unhold()')
  await until(() => hears(sound, 440), 10_000, 'and is heard again')
  await page.evaluate(`new Promise((resolve) => window.call.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, resolve))`)
  await until(() => entriesOf('sdp_offer_created').some(({ payload }) => payload.iceRestart === true), 5000, 'another way of ICE')
  t.true(await hears(sound, 440), 'and it is heard by that')

  const revoked = await ifctl(['council', 'revoke', 'guardian-1', '--data', suite.data.folder])
  t.is(revoked.code, 0, revoked.stderr)
  await until(async () => (await page.evaluate<string[]>('window.events')).includes('remote Terminated'), 10_000, 'it is cut off')
  t.regex(await dial(page, seat, 'sip:council@council.invalid'), /403|407|Authentication/)
  t.like(entriesOf('webrtc_connection_closed').at(-1)!.payload, { reason: 'revoked', by: 'sip', seat: seat.seat })
  await expert.bye()
  t.deepEqual(problems, [])
  t.is((await run.verify()).verdict, 'valid')
})
