/** Browsers in the council: Chromium with a microphone that says a tone, a telephone through Kamailio, and the seat that both meet from. */
import test, { type ExecutionContext } from 'ava'
import { chromiumPath } from '#scripts/chromium.ts'
import type { SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { heardBy, openPage } from '../testing/browser.ts'
import { type RunningSuite, runSuite, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const settings: SuiteSettings = { webrtc: { enabled: true, port: 0, maxBrowsers: 10 } }

async function inviteBy(t: ExecutionContext, { suite }: RunningSuite, party: string): Promise<string> {
  const { code, stdout, stderr } = await ifctl(['council', 'invite', party, '--data', suite.data.folder])
  t.is(code, 0, stderr)
  return stdout.trim()
}

const withBrowser = chromiumPath === undefined ? test.skip : test

withBrowser(
  'a Guardian with a browser and an expert with a telephone hear each other, through a lost connection too',
  async (t) => {
    const run = await runSuite(t, settings)
    const { suite, phone, rtp, entriesOf } = run
    const sound = await rtp({ says: tone(1000) })
    const expert = await (await phone('expert-safety')).invite({ to: 'council-safety', sdp: sound.sdp() })
    sound.talkTo(expert.response.body)

    const { page, problems } = await openPage(t, await inviteBy(t, run, 'guardian-1'), 440)
    await page.click('#join')
    await page.getByText('Connected', { exact: true }).waitFor({ timeout: 20_000 })
    await until(async () => (await heardBy(page, 1000)) > -45, 15_000, 'the page hears the telephone')
    t.true(await hears(sound, 440), 'the telephone hears the page')

    const roster = await page.locator('#roster li').allTextContents()
    t.is(roster.length, 2)
    t.true(roster.some((line) => /^guardian-1-\w{8} \(you\)guardian/.test(line)))
    t.true(roster.some((line) => /^expert-safety-\w{8}expert/.test(line)))
    await page.waitForSelector('#roster li.dominant', { timeout: 10_000 })

    await page.click('#hand')
    await until(() => suite.inside.media.roster('council').some(({ handRaised }) => handRaised), 5000, 'the hand is raised')
    await page.click('#keys summary')
    for (const key of ['*', '5']) await page.click(`#keys [data-key="${key}"]`)
    await until(() => suite.inside.media.roster('council').every(({ handRaised }) => !handRaised), 5000, 'lowered by keys')
    await page.waitForSelector('#hand[aria-pressed="false"]', { timeout: 5000 })
    for (const state of ['true', 'false']) {
      for (const key of ['*', '6']) await page.click(`#keys [data-key="${key}"]`)
      await page.waitForSelector(`#mute[aria-pressed="${state}"]`, { timeout: 5000 })
    }
    await page.click('#mute')
    await until(
      () => suite.inside.media.roster('council').some(({ mutedBySelf }) => mutedBySelf),
      5000,
      'muted in the conference'
    )
    t.false(await hears(sound, 440), 'muted, it is not heard')
    await page.click('#mute')
    t.true(await hears(sound, 440), 'and heard again')

    const [participant] = suite.inside.webrtc!.council.seated()
    await page.evaluate('window.connections.findLast(({ url }) => url.endsWith("/signals")).close()')
    await until(() => entriesOf('sdp_offer_created').some(({ payload }) => payload.iceRestart === true), 15_000, 'it comes back')
    await page.getByText('Connected', { exact: true }).waitFor({ timeout: 20_000 })
    t.deepEqual(suite.inside.webrtc!.council.seated(), [participant], 'on the same seat')
    t.true(await hears(sound, 440), 'and is heard')

    await page.click('#leave')
    await until(() => entriesOf('webrtc_connection_closed').length === 1, 10_000, 'the end is recorded')
    t.deepEqual(suite.inside.webrtc!.rooms.counts().routers, 0)
    await expert.bye()
    const events = run.entries().filter(({ component }) => component === 'IF.witness.webrtc')
    for (const name of [
      'webrtc_connection_started',
      'sdp_offer_created',
      'sdp_answer_received',
      'ice_candidates_gathered',
      'ice_connection_state_changed',
      'media_stream_ready',
      'webrtc_connection_closed'
    ])
      t.true(
        events.some(({ event }) => event === name),
        name
      )
    t.like(entriesOf('webrtc_connection_closed')[0]!.payload, { party: 'guardian-1', reason: 'left' })
    const quality = events.find(({ event }) => event === 'leg_quality')!.payload
    t.like(quality, { party: 'guardian-1', participant, codec: 'opus' })
    t.true(Number(quality.expected) > 50 && Number(quality.mosListening) > 1)
    t.false(JSON.stringify(events).includes('a=ice-pwd'))
    t.deepEqual(problems, [])
    t.is((await run.verify()).verdict, 'valid')
  }
)

test('seats are given to the registry’s parties, for conferences there are, and only where browsers are on', async (t) => {
  const { suite } = await runSuite(t, { edge: 'external', ...settings })
  const invite = (...args: string[]) => ifctl(['council', 'invite', ...args, '--json', '--data', suite.data.folder])
  const good = await invite('guardian-1')
  t.is(good.code, 0, good.stderr)
  const seat = JSON.parse(good.stdout)
  t.like(seat, { party: 'guardian-1', conference: 'council' })
  t.true(seat.url.startsWith(`${suite.addresses.council}/#`))
  t.true(Date.parse(seat.expiresAt) > Date.now() + 11 * 3_600_000)
  for (const args of [['stranger'], ['guardian-1', '--conference', 'elsewhere']]) {
    const { code, stderr } = await invite(...args)
    t.not(code, 0)
    t.regex(stderr, /cli\.not-found/)
  }
  t.is(suite.status().parts.webrtc, 'running')
  await suite.stop()

  const without = await runSuite(t, { edge: 'external' })
  t.is(without.suite.addresses.council, null)
  t.is(without.suite.status().parts.webrtc, 'down')
  const off = await ifctl(['council', 'invite', 'guardian-1', '--data', without.suite.data.folder])
  t.regex(off.stderr, /webrtc\.enabled/)
})

test('beyond loopback the page needs a certificate', async (t) => {
  await t.throwsAsync(runSuite(t, { webrtc: { enabled: true, address: '192.0.2.1' } }), {
    code: 'config.invalid',
    message: /webrtc\.tls/
  })
})
