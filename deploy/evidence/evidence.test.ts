/** Evidence in the suite: a file by the command line reaches the page of a Guardian over a data channel, and a file of hers is shared. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { newTraceId, silentLog } from '#kernel'
import { chromiumPath } from '#scripts/chromium.ts'
import type { SuiteSettings } from '#suite'
import { ifctl } from '../../cli/testing/run.ts'
import { openPage } from '../testing/browser.ts'
import { runSuite, temporaryFolder, tone, until } from '../testing/harness.ts'

const settings: SuiteSettings = { webrtc: { enabled: true, port: 0, maxBrowsers: 10 } }
const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex')
const withBrowser = chromiumPath === undefined ? test.skip : test

withBrowser('a file reaches the page by data channel, its receipt the ledger, and a Guardian shares one, too', async (t) => {
  t.timeout(240_000)
  const run = await runSuite(t, settings)
  const { suite, phone, rtp, entriesOf } = run
  const data = suite.data.folder
  const invited = await ifctl(['council', 'invite', 'guardian-1', '--data', data])
  t.is(invited.code, 0, invited.stderr)
  const { page, problems } = await openPage(t, invited.stdout.trim(), 440)
  await page.click('#join')
  await page.getByText('Connected', { exact: true }).waitFor({ timeout: 90_000 })

  const sound = await rtp({ says: tone(1000) })
  const telephone = await phone('expert-safety')
  const expert = await telephone.invite({
    to: 'council-safety',
    sdp: sound.sdp(),
    headers: () => ({ Allow: 'INVITE, ACK, CANCEL, BYE, MESSAGE' })
  })
  const shownOnTelephone: string[] = []
  const others = telephone.link.dialogs.get(expert.callId)
  telephone.link.dialogs.set(expert.callId, (message) => {
    if (message.start.startsWith('MESSAGE ')) shownOnTelephone.push(message.body)
    others?.(message)
  })
  sound.talkTo(expert.response.body)
  await page.waitForSelector('#evidence[data-hazard=safety][data-state=ACTIVE]', { state: 'attached', timeout: 90_000 })
  const trace = suite.status().calls[0]!.traceId

  const folder = await temporaryFolder(t)
  const file = join(folder, 'trace of the model.log')
  const octets = Buffer.alloc(1_000_003, 'what the model did\n')
  await writeFile(file, octets)
  const shared = await ifctl(['evidence', 'share', file, '--trace', trace, '--json', '--data', data])
  t.is(shared.code, 0, shared.stderr)
  const { id, ...facts } = JSON.parse(shared.stdout)
  t.like(facts, { sha256: sha256(octets), bytes: octets.length, calls: [trace] })
  await page.waitForSelector(`[data-evidence="${id}"][data-state=received]`, { timeout: 90_000 })
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`[data-evidence="${id}"] a`)])
  t.is(download.suggestedFilename(), 'trace of the model.log')
  t.is(sha256(await readFile(await download.path())), sha256(octets))
  await until(() => entriesOf('evidence_received').length === 1, 10_000, 'the receipt is in the ledger')
  const [receipt] = entriesOf('evidence_received')
  t.like(receipt!.payload, { evidence: id, bytes: octets.length, party: 'guardian-1', how: 'page' })
  t.like(entriesOf('evidence_offered')[0]!.payload, { evidence: id, via: 'http' })
  t.false(JSON.stringify(entriesOf('evidence_offered')).includes(sha256(octets)), 'what can be erased is not in the log')

  const own = join(folder, 'notes.txt')
  await writeFile(own, 'what the Guardian saw')
  await page.setInputFiles('#evidence-files', own)
  await page.waitForSelector('[data-evidence][data-state=handedOver]', { timeout: 90_000 })
  t.is(entriesOf('evidence_offered').length, 2)
  const listed = await ifctl(['evidence', 'list', '--trace', trace, '--json', '--data', data])
  const { evidence } = JSON.parse(listed.stdout)
  t.like(evidence[1], { name: 'notes.txt', via: 'page', sha256: sha256(Buffer.from('what the Guardian saw')) })
  t.like(evidence[0].deliveries, [{ state: 'received', how: 'page' }])

  const { links } = JSON.parse((await ifctl(['evidence', 'list', '--links', '--json', '--data', data])).stdout)
  t.is(links.length, 1)
  t.like(links[0], { call: trace, shown: true })
  t.deepEqual(shownOnTelephone, [`Evidence of this call (trace of the model.log): ${links[0].url}`])
  t.like(entriesOf('evidence_link_given')[0]!.payload, { shown: true })
  t.like(entriesOf('sip_message_sent')[0]!.payload, { status: 200 })
  const list = await fetch(links[0].url)
  t.true((await list.text()).includes('notes.txt'))
  const part = await fetch(`${links[0].url}${id}`, { headers: { range: 'bytes=4-9' } })
  t.is(part.status, 206)
  t.is(await part.text(), octets.subarray(4, 10).toString())
  await (await fetch(`${links[0].url}${id}`)).arrayBuffer()
  await until(() => entriesOf('evidence_received').some(({ payload }) => payload.how === 'link'), 10_000, 'fetched by the link')

  const escalated = [
    'escalate',
    'safety',
    '--expert',
    'nobody',
    '--evidence',
    own,
    '--trace',
    'case-9',
    '--detach',
    '--data',
    data
  ]
  t.is((await ifctl(escalated)).code, 0)
  const named = JSON.parse((await ifctl(['evidence', 'list', '--trace', 'case-9', '--json', '--data', data])).stdout)
  t.like(named.evidence, [{ name: 'notes.txt', mediaType: 'text/plain', via: 'http' }], 'what an escalation names is shared')

  const { url, token } = JSON.parse(await readFile(suite.data.control, 'utf8'))
  const figures = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  for (const line of [
    'evidence_calls{state="ACTIVE"} 1',
    'evidence_sessions{state="ACTIVE"} 1',
    'evidence_items 3',
    'evidence_shared_total{via="page"} 1',
    'evidence_receipts_total{how="page"} 1',
    'evidence_receipts_total{how="link"} 1',
    `evidence_transferred_bytes_total{direction="sent"} ${octets.length}`
  ])
    t.true(figures.includes(`${line}\n`), line)

  const erased = await ifctl(['evidence', 'erase', id, '--reason', 'asked for', '--data', data])
  t.is(erased.code, 0, erased.stderr)
  t.is((await fetch(`${links[0].url}${id}`)).status, 404)
  await expert.bye()
  await until(() => entriesOf('evidence_session_closed').length === 1, 10_000, 'the session ends with the call')
  t.is((await fetch(links[0].url)).status, 404, 'and the link with it')
  t.deepEqual(problems, [])
})

withBrowser('64 MiB, and the page is loaded again on the way: it goes on where it was, and memory stays flat', async (t) => {
  t.timeout(240_000)
  const { suite } = await runSuite(t, { edge: 'external', ...settings })
  const { evidence, council } = suite.inside.webrtc!
  const invited = council.invite({ id: 'guardian-1', conference: 'council', kind: 'person', mayVote: false, hazard: null })
  const { page } = await openPage(t, invited!.url, 440)
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  const opened = evidence.bridge.open(context, { conference: 'council', expertId: 'expert-safety' })
  if (!opened.ok) return t.fail(opened.detail)
  const join = async () => {
    await page.click('#join')
    await page.waitForSelector('#evidence[data-state=ACTIVE]', { state: 'attached', timeout: 90_000 })
  }
  await join()
  const bytes = 64 << 20
  const before = process.memoryUsage.rss()
  let most = before
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, 50)
  t.teardown(() => clearInterval(watch))
  const octets = async function* () {
    for (let at = 0; at < bytes; at += 1 << 20) yield Buffer.alloc(1 << 20, at >>> 20)
  }
  const facts = { trace: context.traceId, name: 'run.bin', mediaType: 'application/octet-stream', bytes, sha256: null }
  const shared = await evidence.share({ ...facts, by: 'agent', via: 'http' }, octets())
  if (!shared.ok) return t.fail(shared.reason)
  const row = `[data-evidence="${shared.item.id}"]`
  const status = page.locator(`${row} span`)
  await until(async () => /^[2-9]\d %/.test((await status.textContent({ timeout: 90_000 })) ?? ''), 90_000, 'a part is there')
  await page.reload()
  await join()
  await page.waitForSelector(`${row}[data-state=received]`, { timeout: 120_000 })
  const [{ pages } = { pages: [] }] = evidence.calls()
  t.is(pages.length, 1)
  t.is(evidence.totals().resumes, 1)
  t.true(pages[0]!.sentBytes < 0.85 * bytes, `${pages[0]!.sentBytes} octets after the reload`)
  t.true(most - before < 200 << 20, `${most - before} octets more than before`)
  await opened.session.close('over')
})
