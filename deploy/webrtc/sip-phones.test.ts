/** SIP over secure WebSocket: JsSIP in Chromium calls a conference through Kamailio, with the credentials of a seat. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'
import { chromiumPath } from '#scripts/chromium.ts'
import { readCredentials, type SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { heardBy, openBrowser, openPage, pageOf } from '../testing/browser.ts'
import { folderWithExpert, runSuite, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const withBrowser = chromiumPath === undefined ? test.skip : test

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

/** Registers, and answers whoever calls. @returns what became of the registration: `registered`, or the cause of its failure */
const register = (page: Page, url: string, { uri, user, password }: Record<'uri' | 'user' | 'password', string>) =>
  page.evaluate<string>(`(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
    window.events = []
    window.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(${JSON.stringify(url)})],
      uri: ${JSON.stringify(uri)},
      authorization_user: ${JSON.stringify(user)},
      password: ${JSON.stringify(password)},
      register_expires: 300
    })
    window.agent.on('newRTCSession', ({ session, request }) => {
      window.events.push('rings ' + (request.body ? 'with' : 'without') + ' offer')
      session.on('peerconnection', ({ peerconnection }) => {
        peerconnection.ontrack = ({ track }) => {
          document.getElementById('sound').srcObject = new MediaStream([track])
        }
      })
      session.on('ended', ({ cause, originator }) => window.events.push(originator + ' ' + cause))
      session.answer({ mediaStream: stream, pcConfig: { iceServers: [] } })
    })
    return new Promise((resolve) => {
      setTimeout(() => resolve('no answer'), 20_000)
      window.agent.on('registered', () => resolve('registered'))
      window.agent.on('registrationFailed', ({ cause }) => resolve(cause))
      window.agent.start()
    })
  })()`)

withBrowser('an expert’s SIP phone in a browser registers, and is called over the WebSocket that it keeps', async (t) => {
  const data = await folderWithExpert(t, 'registered', { host: '127.0.0.1', guardians: ['guardian-1'] })
  const origin = await softphonePage(t)
  const { suite, phone, rtp, entriesOf, verify } = await runSuite(t, {
    data,
    escalation: { tls: 'required' },
    webrtc: { enabled: true, port: 0, maxBrowsers: 10, sip: { port: 0, origins: [origin] } }
  })
  const sound = await rtp({ says: tone(1000) })
  const guardian = await (await phone('guardian-1')).invite({ to: 'council', sdp: sound.sdp() })
  sound.talkTo(guardian.response.body)
  const escalate = async () => {
    const message = { performative: 'escalate', sender: 'test', payload: { hazard: 'safety' } } as const
    const { escalation } = await suite.escalator.escalate(message, { by: 'test' })
    return { id: escalation.id, result: suite.escalator.result(escalation.id) }
  }
  const { users } = await readCredentials(suite.data.credentials)
  const account = { uri: 'sip:expert-safety@127.0.0.1', user: 'expert-safety', password: users['expert-safety']!.password! }
  const seat = { id: 'guardian-1', conference: 'council', kind: 'person', mayVote: false, hazard: null } as const
  const { url } = (await suite.inside.webrtc!.invite(seat))!.sip!
  const { page, problems } = await pageOf(await openBrowser(t, 440), origin)
  t.is(await register(page, url, account), 'registered')
  await until(() => entriesOf('sip_registered').length === 1, 10_000, 'the record has it')
  t.like(entriesOf('sip_registered')[0]!.payload, { user: 'expert-safety', transport: 'wss' })

  const { id, result } = await escalate()
  t.like(await result, { result: { status: 'connected' } })
  t.deepEqual(await page.evaluate('window.events'), ['rings without offer'])
  await until(async () => (await heardBy(page, 1000)) > -45, 15_000, 'the expert hears the Guardian')
  await until(() => hears(sound, 440), 15_000, 'the Guardian hears the expert')
  t.like(entriesOf('sip_invite_sent').at(-1)!.payload, { lateOffer: true })
  t.like(entriesOf('webrtc_connection_started').at(-1)!.payload, { by: 'sip', conference: 'council' })
  suite.escalator.cancel(id, 'test')
  await suite.escalator.ended(id)
  await until(async () => (await page.evaluate<string[]>('window.events')).includes('remote Terminated'), 10_000, 'it is hung up')

  await page.close()
  await until(
    async () => (await (await escalate()).result)?.result?.status === 'failed',
    10_000,
    'a page that is closed is called no more'
  )
  await guardian.bye()
  t.deepEqual(problems, [])
  t.is((await verify()).verdict, 'valid')
})

withBrowser(
  'the council’s page signals by SIP where its link says so: muted, kept through lost WebSockets, and cut off as one seat',
  async (t) => {
    const settings: SuiteSettings = { webrtc: { enabled: true, port: 0, maxBrowsers: 10, sip: { port: 0 } } }
    const { suite, phone, rtp, entriesOf, verify } = await runSuite(t, settings)
    const sound = await rtp({ says: tone(1000) })
    const expert = await (await phone('expert-safety')).invite({ to: 'council-safety', sdp: sound.sdp() })
    sound.talkTo(expert.response.body)
    const args = ['council', 'invite', 'guardian-1', '--signalling', 'sip', '--json', '--data', suite.data.folder]
    const given = JSON.parse((await ifctl(args)).stdout) as Seat
    t.regex(given.url, /\/\?signalling=sip#/)
    const { page, problems } = await openPage(t, given.url, 440)
    await page.click('#join')
    await page.getByText('Connected', { exact: true }).waitFor({ timeout: 60_000 })
    t.deepEqual(await page.evaluate<string[]>('window.connections.map(({ url }) => new URL(url).pathname).slice(0, 2)'), [
      '/signals',
      '/sip'
    ])
    await until(async () => (await heardBy(page, 1000)) > -45, 15_000, 'the page hears the telephone')
    t.true(await hears(sound, 440), 'the telephone hears the page')
    t.like(entriesOf('webrtc_connection_started').find(({ payload }) => payload.by === 'sip')!.payload, { seat: given.seat })

    const roster = () => page.locator('#roster li').allTextContents()
    await until(async () => (await roster()).length === 2, 10_000, 'one seat, and the telephone')
    t.is((await roster()).filter((line) => line.includes('(you)')).length, 1)
    await page.click('#mute')
    const voice = () => suite.inside.media.roster('council').find(({ participant }) => participant.startsWith('guardian-1'))!
    await until(() => voice().mutedBySelf, 10_000, 'muted in the mixer')
    await page.click('#mute')
    await page.click('#hand')
    await until(() => !voice().mutedBySelf && voice().handRaised, 10_000, 'heard again, the hand raised')

    await page.evaluate('for (const each of window.connections) each.close()')
    await page.getByText('Connected', { exact: true }).waitFor({ timeout: 30_000 })
    t.true(await hears(sound, 440), 'its WebSockets were lost, and it is heard')
    t.is(suite.inside.media.roster('council').length, 2)

    t.is((await ifctl(['council', 'revoke', 'guardian-1', '--data', suite.data.folder])).code, 0)
    await page.getByText('your seat was taken back').waitFor({ timeout: 10_000 })
    await until(() => suite.inside.media.roster('council').length === 1, 10_000, 'and the call is over')
    await expert.bye()
    t.deepEqual(problems, [])
    t.is((await verify()).verdict, 'valid')
  }
)

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
