/** The council at work on its pages: two Guardians in Chromium see a call and its decision, vote on it, and lose their seats. */
import test from 'ava'
import type { Page } from 'playwright-core'
import { chromiumPath } from '#scripts/chromium.ts'
import type { SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { openBrowser, pageOf } from '../testing/browser.ts'
import { edgeHeaders, runSuite, tone, until } from '../testing/harness.ts'

const settings: SuiteSettings = { edge: 'external', webrtc: { enabled: true, port: 0, maxBrowsers: 10 } }
const withBrowser = chromiumPath === undefined ? test.skip : test

/** Joins, and waits until the page has its seat. */
async function sit(page: Page): Promise<void> {
  await page.click('#join')
  await page.getByText('Connected', { exact: true }).waitFor({ timeout: 20_000 })
}

withBrowser(
  'Guardians see what a call is about and what IF.guard said, vote, and are cut off when their seats are taken back',
  async (t) => {
    const run = await runSuite(t, settings)
    const { suite, phone, rtp, entriesOf } = run
    const ask = async (...args: string[]) => {
      const { code, stdout, stderr } = await ifctl([...args, '--json', '--data', suite.data.folder])
      t.is(code, 0, stderr)
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    }
    const [one, two] = await Promise.all(['guardian-1', 'guardian-2'].map((id) => ask('council', 'invite', id)))
    const browser = await openBrowser(t, 440)
    const [first, second] = [await pageOf(browser, one![0].url), await pageOf(browser, two![0].url)]
    await sit(first.page)
    await sit(second.page)
    t.is(
      entriesOf('policy_decision').filter(({ payload }) => payload.verdict === 'approve').length,
      2,
      'IF.guard is asked for each'
    )
    t.deepEqual((entriesOf('policy_decision')[0]!.payload.receipt as { facts: { edge: object } }).facts.edge, {
      sourceAddress: '127.0.0.1',
      transport: 'ws',
      tlsVersion: '',
      tlsCipher: '',
      certificateIdentity: '',
      authenticatedUser: 'guardian-1',
      digestAlgorithm: ''
    })

    const sound = await rtp({ says: tone(1000) })
    const dial = async (id: string) =>
      (await phone(id)).invite({ to: 'council-safety', sdp: sound.sdp(), headers: () => edgeHeaders(id) })
    const refused = await dial('expert-ethics')
    t.is(refused.status, 403)
    const expert = await dial('expert-safety')
    const call = first.page.locator('#calls li.connected')
    await call.waitFor({ timeout: 10_000 })
    t.regex((await call.textContent())!, /^expert-safety calls.*safety.*in the conference/)
    t.is(await first.page.locator('#hazards').textContent(), 'safety')
    const decision = first.page.locator('#calls li.refused .decision')
    t.regex((await decision.textContent())!, /IF\.guard: refused, is not called for this hazard.*specialisation:/)
    t.false((await first.page.content()).includes('expert-ethics is not called for safety'), 'words for operators stay with them')
    const trace = (await call.getAttribute('data-trace'))!

    await first.page.fill('#motion-title', 'Stop the <b>deployment</b>?')
    await first.page.selectOption('#motion-about', trace)
    await first.page.click('#motion button')
    const vote = async (page: Page, choice: string) => {
      await page.click(`#motions button[data-choice=${choice}]`)
      await page.waitForSelector(`#motions button[data-choice=${choice}][aria-pressed=true]`)
    }
    await first.page.waitForSelector('#motions li.open')
    await second.page.waitForSelector('#motions li.open')
    t.is(await second.page.locator('#motions strong').textContent(), 'Stop the <b>deployment</b>?')
    t.is(await second.page.locator('#motions [data-close]').count(), 0, 'only who has opened it closes it')
    await vote(first.page, 'yes')
    await vote(second.page, 'no')
    await vote(second.page, 'yes')
    await first.page.getByText('2 yes, 0 no, 0 abstain: so far').waitFor()
    await first.page.click('#motions [data-close]')
    await second.page.getByText('2 yes, 0 no, 0 abstain: carried').waitFor()

    await until(() => entriesOf('vote_closed').length === 1, 5000, 'the end is recorded')
    t.deepEqual(
      ['vote_opened', 'vote_cast', 'vote_closed'].map((event) => entriesOf(event).length),
      [1, 3, 1]
    )
    t.is(entriesOf('vote_opened')[0]!.parent_trace_id, trace, 'under the trace of the call')
    const [motion] = await ask('council', 'votes')
    t.like(motion, { title: 'Stop the <b>deployment</b>?', problems: [], result: { yes: 2, carried: true } })
    const shown = await ifctl(['council', 'votes', '--data', suite.data.folder])
    t.regex(shown.stdout, /carried: 2 yes, 0 no, 0 abstain/)
    t.regex(shown.stdout, /guardian-2: yes, changed 1 times, signature good/)

    const [{ seats }] = await ask('council', 'seats')
    t.deepEqual(
      seats.map(({ party, participant }: { party: string; participant: string }) => [party, participant.slice(0, 10)]).sort(),
      [
        ['guardian-1', 'guardian-1'],
        ['guardian-2', 'guardian-2']
      ]
    )
    t.deepEqual(await ask('council', 'revoke', 'guardian-2'), [{ revoked: [two![0].seat] }])
    await second.page.getByText('your seat was taken back').waitFor({ timeout: 10_000 })
    await until(() => suite.inside.media.roster('council').length === 2, 5000, 'and it is not in the conference')
    await second.page.click('#join')
    await second.page.getByText('this link is not good, or no longer').waitFor({ timeout: 10_000 })
    t.not((await ifctl(['council', 'revoke', 'guardian-2', '--data', suite.data.folder])).code, 0)
    t.is(entriesOf('seat_given').length, 2)
    t.like(entriesOf('seat_revoked')[0]!.payload, { party: 'guardian-2', seat: two![0].seat })
    t.deepEqual([...first.problems, ...second.problems], [])
    await expert.bye()
    t.is((await run.verify()).verdict, 'valid')
  }
)
