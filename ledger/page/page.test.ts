import { mkdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import type { BrowserContext, Page } from 'playwright-core'
import { silentLog, type WitnessEvent } from '#kernel'
import { draftEntry, type Ledger, openLedger } from '#ledger'
import { generateSigningKey } from '../log/note.ts'
import { origin, scratch } from '../testing/fixtures.ts'
import { openTestService, type TestService } from '../testing/service.ts'
import { offlinePage } from './offline.ts'
import { registerPage } from './serve.ts'
import { openBrowser, signIn, type TestBrowser, verdictOf } from './testing/browser.ts'
import { altered, offlineData, plainEvents, testLog } from './testing/log.ts'

const test = anyTest as TestFn
let browser: TestBrowser

/** A site that tests read and none changes: 500 plain entries, then a call. */
let reading: Site
const endings: (() => unknown)[] = []

test.before(async (t) => {
  const outlasting = { ...t, teardown: (end: () => unknown) => endings.unshift(end) } as unknown as ExecutionContext
  browser = await openBrowser()
  reading = await openSite(outlasting, plainEvents(500))
  await reading.append(callEvents())
  await reading.published(516)
})
test.after.always(async () => {
  await browser?.close()
  for (const end of endings) await end()
})
test.afterEach.always((t) => {
  t.deepEqual(browser.problems.splice(0), [], 'no page asked anybody but loopback, and none had an error')
})

const startMs = Date.parse('2026-11-20T09:00:00Z')
const trace = 'a'.repeat(32)

/** A call with an H.323, a WebRTC and an NDI side, and what models cost for it. */
function callEvents(): WitnessEvent[] {
  const callId = 'call-1@expert.example'
  const at = (component: string, event: string, payload = {}, more: Partial<WitnessEvent> = {}): WitnessEvent => ({
    component,
    event,
    traceId: trace,
    parentTraceId: 'case-7',
    payload: { callId, ...payload },
    ...more
  })
  const child = (name: string) => ({ traceId: `${trace}-${name}`, parentTraceId: trace })
  return [
    { component: 'IF.coordinator', event: 'task_claimed', traceId: 'case-7', payload: { task: 'escalate' } },
    {
      component: 'IF.chassis',
      event: 'model_called',
      traceId: 'case-7',
      payload: {},
      model: 'gpt-5',
      tokensIn: 1200,
      tokensOut: 340
    },
    at('IF.witness.sip', 'sip_invite_received'),
    at('IF.proxy', 'INVITE', { hazard: 'safety', conference: 'council' }),
    at('IF.guard', 'policy_decision', { verdict: 'approve', code: 'guard.approved' }),
    at('IF.witness.sip', 'sip_180_ringing'),
    at('IF.witness.sip', 'sip_200_ok', { setupMs: 21 }),
    at('IF.witness.sip', 'sip_dialog_established', { codec: 'opus' }),
    at('IF.bridge.conference', 'BRIDGE_ESTABLISHED', { participant: 'expert-safety' }),
    at('IF.witness.h323', 'h323_arq_sent', {}, child('h323')),
    at('IF.witness.h323', 'h323_acf_received', {}, child('h323')),
    at('IF.witness.webrtc', 'sdp_offer_created', {}, child('webrtc')),
    at('IF.witness.ndi-publisher', 'ndi_stream_created', {}, child('ndi')),
    at('IF.witness.h323', 'h323_call_complete', {}, { ...child('h323'), cost: '0.09095' }),
    at('IF.witness.sip', 'sip_bye_received', { reason: 'Q.850;cause=16' }),
    at('IF.proxy', 'TERMINATED', { hungUpBy: 'caller', reason: 'bye', durationMs: 39_900 })
  ]
}

interface Site extends TestService {
  readonly ledger: Ledger
  readonly append: (events: readonly WitnessEvent[]) => Promise<void>
  /** The checkpoint published over so many entries. */
  readonly published: (size: number) => Promise<string>
}

/** A service with the page, over a ledger of its own. */
async function openSite(t: ExecutionContext, events: readonly WitnessEvent[], key?: string): Promise<Site> {
  const dir = scratch(t)
  mkdirSync(dir, { recursive: true })
  if (key !== undefined) await writeFile(join(dir, 'signing-key.pem'), key, { mode: 0o600 })
  const ledger = await openLedger({ dir, origin, log: silentLog, publishIntervalMs: 50 })
  t.teardown(() => ledger.close())
  const service = await openTestService(t, { ...ledger, dir }, { registerPage })
  let epoch = 1
  let told = 0
  const append: Site['append'] = async (events) => {
    const items = events.map((event) => ({ draft: draftEntry(event, startMs + told * 1000), key: `k${told++}` }))
    await ledger.append(items, epoch++)
  }
  const published: Site['published'] = async (size) => {
    for (;;) {
      const note = await (await service.ask('/checkpoint', null)).text()
      if (Number(note.split('\n')[1]) === size) return note
      await sleep(20)
    }
  }
  await append(events)
  await published(events.length)
  return { ...service, ledger, append, published }
}

/** A browser that has seen nothing yet; closed before the services that its pages read. */
async function newContext(t: ExecutionContext, options?: Parameters<TestBrowser['context']>[0]): Promise<BrowserContext> {
  const context = await browser.context(options)
  t.teardown(async () => {
    await context.unrouteAll({ behavior: 'ignoreErrors' })
    await context.close()
  })
  return context
}

const signedIn = async (t: ExecutionContext, site: Site, given?: BrowserContext, pinned = true): Promise<Page> => {
  const context = given ?? (await newContext(t))
  const page = await context.newPage()
  await signIn(page, site.url, site.tokens.auditor, pinned ? { key: site.ledger.vkey } : {})
  return page
}
const countOf = (page: Page, count: number) => page.locator(`#count[data-count="${count}"]`).waitFor()
const checkOf = (page: Page, name: string) => page.locator(`.checks [data-check=${name}]`)

test.serial('a key taken over on first use is said loudly; vouched for, a good log is green, and stays so', async (t) => {
  const site = await openSite(t, plainEvents(300))
  const page = await signedIn(t, site, undefined, false)
  t.is(await verdictOf(page), 'unpinned')
  await page.click('nav a[data-view=trust]')
  t.is(await page.locator('#trusted-key').textContent(), site.ledger.vkey)
  t.regex((await page.locator('.loud').textContent()) ?? '', /Taken over on first use/)
  await page.click('.loud button')
  await page.locator('.verdict[data-verdict=valid]').waitFor()
  await page.reload()
  t.is(await verdictOf(page), 'valid')
  const kept = (await page.evaluate(
    '({ local: JSON.stringify(localStorage), session: sessionStorage.length, cookie: document.cookie })'
  )) as Record<string, unknown>
  t.false(String(kept.local).includes(site.tokens.auditor), 'the token is in the tab alone')
  t.is(kept.session, 1)
  t.is(kept.cookie, '')
  await site.append(plainEvents(60, 300))
  await site.published(360)
  await page.click('.verdict button')
  await page.locator('.checks [data-check=memory]', { hasText: 'grew from the 300 entries' }).waitFor({ state: 'attached' })
  t.is(await verdictOf(page), 'valid')
})

test.serial('entries are found by text, component, event, trace, call and time, and by keyboard', async (t) => {
  const site = reading
  const page = await signedIn(t, site)
  await countOf(page, 516)
  t.true((await page.locator('.list-body .line').count()) < 80, 'only lines in sight are in the document')
  await page.keyboard.press('/')
  await page.keyboard.type('cause=16 bye')
  await countOf(page, 1)
  t.regex(page.url(), /text=cause/)
  await page.fill('#f-text', '')
  await page.fill('#f-event', 'h323')
  await countOf(page, 3)
  await page.fill('#f-component', 'nobody')
  await countOf(page, 0)
  await page.click('text=Clear')
  await countOf(page, 516)
  await page.click('details.more summary')
  await page.fill('#f-trace', 'case-7')
  await countOf(page, 16)
  await page.fill('#f-trace', '')
  await page.fill('#f-call', 'CALL-1@')
  await countOf(page, 14)
  await page.fill('#f-call', '')
  await page.fill('#f-since', '2026-11-20 09:00:10')
  await page.fill('#f-until', '2026-11-20 09:00:20')
  await countOf(page, 10)
  await page.fill('#f-until', 'tomorrow')
  await page.locator('#f-until[aria-invalid=true]').waitFor()
  await page.goto(`${site.url}/#/entries?event=BRIDGE`)
  await countOf(page, 1)
  await page.goto(`${site.url}/#/entries`)
  await countOf(page, 516)
  await page.selectOption('#f-order', 'old')
  await page.locator('.line[data-index="0"]').waitFor()
  await page.focus('.list')
  await page.keyboard.press('End')
  await page.locator('.line[data-index="515"].active').waitFor()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await page.locator('dialog h2', { hasText: 'Entry 514' }).waitFor()
  t.is(await page.locator('dialog [data-proof]').getAttribute('data-proof'), 'good')
  t.regex((await page.locator('dialog .json').textContent()) ?? '', /"event": "sip_bye_received"/)
  await page.keyboard.press('Escape')
  await page.waitForURL((url) => !url.hash.includes('entry='))
  t.false(await page.locator('dialog').isVisible())
  await page.goBack()
  await page.locator('dialog h2', { hasText: 'Entry 514' }).waitFor()
})

test.serial('a trace is a ladder with its children, and each step opens its entry', async (t) => {
  const site = reading
  const page = await signedIn(t, site)
  await page.goto(`${site.url}/#/trace?id=case-7`)
  await page.locator('svg.ladder .step').first().waitFor()
  t.deepEqual(await page.locator('.lane-title').allTextContents(), [
    'Expert',
    'Edge',
    'Application',
    'IF.guard',
    'Conference',
    'H.323',
    'WebRTC',
    'NDI',
    'Swarm'
  ])
  t.is(await page.locator('svg.ladder .step').count(), 16)
  t.deepEqual((await page.locator('.step-label').allTextContents()).slice(0, 5), [
    'INVITE',
    'passed the edge',
    'policy: approve',
    '180 Ringing',
    '200 OK'
  ])
  const invite = page.locator('.step', { hasText: 'INVITE' }).first()
  t.is(await invite.getAttribute('aria-label'), 'Entry 502: INVITE, Expert to Application')
  t.is(await invite.locator('.through').count(), 1, 'through the edge')
  const [from, to] = [
    Number(await invite.locator('line').getAttribute('x1')),
    Number(await invite.locator('line').getAttribute('x2'))
  ]
  t.true(from < to, 'from left to right')
  t.deepEqual(await page.locator('.traces a').allTextContents(), [trace, `${trace}-h323`, `${trace}-webrtc`, `${trace}-ndi`])
  t.regex((await page.locator('.trace-facts').textContent()) ?? '', /\$0\.20195/)
  await invite.focus()
  await page.keyboard.press('Enter')
  await page.locator('dialog h2', { hasText: 'Entry 502' }).waitFor()
  await page.keyboard.press('Escape')
  await page.click(`.traces a >> text="${trace}-h323"`)
  await page.locator('.trace-facts', { hasText: 'Hangs under' }).waitFor()
  t.is(await page.locator('svg.ladder .step').count(), 3)
})

test.serial('costs are exact, by component, model and trace', async (t) => {
  const site = reading
  const page = await signedIn(t, site)
  await page.click('nav a[data-view=cost]')
  const money = async (group: string) => (await page.locator(`tr[data-group="${group}"] .money`).textContent()) ?? ''
  await page.locator('tr[data-group=total]').waitFor()
  t.deepEqual(
    [await money('IF.witness.h323'), await money('IF.chassis'), await money('total')],
    ['$0.09095', '$0.111', '$0.20195']
  )
  await page.selectOption('#cost-by', 'model')
  await page.locator('tr[data-group="gpt-5"]').waitFor()
  t.is(await money('gpt-5'), '$0.111')
  await page.selectOption('#cost-by', 'trace')
  await page.locator('tr[data-group="case-7"]').waitFor()
  t.is(await money('case-7'), '$0.20195')
})

test.serial('the checkpoints are shown with their signatures, and each as grown from the one before', async (t) => {
  const page = await signedIn(t, reading)
  await page.click('nav a[data-view=checkpoints]')
  const newest = page.locator('.head-card[data-size="516"]')
  await newest.locator('> summary').click()
  const text = (await newest.textContent()) ?? ''
  t.regex(text, /Consistency proof from 500 entries: \d hashes/)
  t.true(text.includes(reading.ledger.vkey.split('+')[1]!))
  for (const size of [500, 516]) t.is(await page.locator(`.head-card[data-size="${size}"]`).getAttribute('data-state'), 'good')
})

/** Puts the entries of one bundle through `change` on their way. */
const changeBundles = (context: BrowserContext, change: (entries: Uint8Array[], first: number) => void) =>
  context.route('**/tile/entries/**', async (route) => {
    const response = await route.fetch()
    const octets = await response.body()
    const entries: Uint8Array[] = []
    for (let at = 0; at < octets.length; at += 2 + octets.readUInt16BE(at))
      entries.push(octets.subarray(at + 2, at + 2 + octets.readUInt16BE(at)))
    change(entries, Number(/entries\/(\d+)/.exec(route.request().url())![1]) * 256)
    const body = Buffer.concat(entries.flatMap((entry) => [Buffer.of(entry.length >> 8, entry.length & 255), entry]))
    await route.fulfill({ status: 200, body, contentType: 'application/octet-stream' })
  })

test.serial('a service that alters an entry is found out, and the entry is named', async (t) => {
  const site = await openSite(t, plainEvents(600))
  const context = await newContext(t)
  await changeBundles(context, (entries, first) => {
    if (first === 256) entries[300 - 256] = altered(entries[300 - 256]!)
  })
  const page = await signedIn(t, site, context)
  t.is(await verdictOf(page), 'altered')
  t.regex((await page.locator('.verdict-summary').textContent()) ?? '', /Entry 300 .*altered/)
  t.is(await checkOf(page, 'tree').getAttribute('class'), 'bad')
  t.true(await page.locator('.verdict.bad').isVisible())
  await page.goto(`${site.url}/#/entries?entry=300`)
  await page.locator('dialog .fault', { hasText: 'Entry 300 has another hash' }).waitFor()
  t.is(await page.locator('dialog [data-proof]').getAttribute('data-proof'), 'bad')
  const kept = String(await page.evaluate("localStorage.getItem('ledger.trust')"))
  t.is((JSON.parse(kept) as { seen: unknown }).seen, null, 'nothing of it is remembered as good')
})

test.serial('an altered tile is found out, too', async (t) => {
  const site = await openSite(t, plainEvents(300))
  const context = await newContext(t)
  await context.route('**/tile/0/000', async (route) => {
    const body = await (await route.fetch()).body()
    body[17 * 32] = body[17 * 32]! ^ 1
    await route.fulfill({ status: 200, body, contentType: 'application/octet-stream' })
  })
  const page = await signedIn(t, site, context)
  t.is(await verdictOf(page), 'altered')
  t.regex((await checkOf(page, 'tiles').textContent()) ?? '', /Entry 17 /)
  t.is(await checkOf(page, 'tree').getAttribute('class'), 'good')
})

test.serial('another key is refused, whether it was vouched for or only seen before', async (t) => {
  const site = await openSite(t, plainEvents(20))
  const other = await openSite(t, plainEvents(20))
  for (const pinned of [true, false]) {
    const context = await newContext(t)
    const page = await signedIn(t, site, context, pinned)
    t.is(await verdictOf(page), pinned ? 'valid' : 'unpinned')
    await context.route(/\/(?:checkpoint|tile\/.*|v1\/.*)$/, async (route) => {
      const url = new URL(route.request().url())
      const response = await fetch(other.url + url.pathname, { headers: { authorization: `Bearer ${other.tokens.auditor}` } })
      await route.fulfill({
        status: response.status,
        body: Buffer.from(await response.arrayBuffer()),
        contentType: response.headers.get('content-type')!
      })
    })
    await page.reload()
    t.is(await verdictOf(page), 'unwitnessed')
    t.regex((await checkOf(page, 'signature').textContent()) ?? '', /not signed by key/)
  }
})

test.serial('a log that is shorter than this browser saw is shown in red, with what was seen', async (t) => {
  const site = await openSite(t, plainEvents(40))
  const before = await site.published(40)
  await site.append(plainEvents(20, 40))
  await site.published(60)
  const context = await newContext(t)
  const page = await signedIn(t, site, context)
  t.is(await verdictOf(page), 'valid')
  await context.route('**/checkpoint', (route) => route.fulfill({ status: 200, body: before, contentType: 'text/plain' }))
  await page.click('.verdict button')
  await page.locator('.verdict[data-verdict=truncated]').waitFor()
  await page.reload()
  t.is(await verdictOf(page), 'truncated')
  t.regex((await page.locator('.verdict-summary').textContent()) ?? '', /saw 60 entries .*now there are 40 entries/)
})

test.serial('a fork signed with the same key is shown in red', async (t) => {
  const key = generateSigningKey()
  const site = await openSite(t, plainEvents(50), key)
  const fork = await openSite(t, [...plainEvents(30), ...plainEvents(40, 1000)], key)
  t.is(site.ledger.vkey, fork.ledger.vkey)
  const context = await newContext(t)
  const page = await signedIn(t, site, context)
  t.is(await verdictOf(page), 'valid')
  await context.route(/\/(?:checkpoint|tile\/.*|v1\/.*)$/, async (route) => {
    const url = new URL(route.request().url())
    const response = await fetch(fork.url + url.pathname, { headers: { authorization: `Bearer ${fork.tokens.auditor}` } })
    await route.fulfill({
      status: response.status,
      body: Buffer.from(await response.arrayBuffer()),
      contentType: response.headers.get('content-type')!
    })
  })
  await page.reload()
  t.is(await verdictOf(page), 'forked')
  t.regex((await page.locator('.verdict-summary').textContent()) ?? '', /saw the first 50 entries with root/)
})

/** Text that would do something if it were taken for markup, or that looks like other text. */
const hostile = '</script><img src=x onerror=alert(1)><b>"\'&\u202egnp.exe\u2066\u0007'

test.serial('what callers send is shown and never obeyed', async (t) => {
  const traceId = '"><img/src=x/onerror=alert(1)>'
  const events = [
    'sip_invite_received',
    'policy_decision',
    'REJECTED',
    'SECURITY_REJECTED',
    'TERMINATED',
    'BRIDGE_STATE_CHANGED',
    'sip_bye_received',
    'other_event'
  ].map(
    (event): WitnessEvent => ({
      event,
      component: 'IF.proxy',
      traceId,
      parentTraceId: "';alert(1)//<svg/onload=alert(1)>",
      model: hostile,
      cost: '1',
      payload: Object.fromEntries(
        ['callId', 'reason', 'code', 'layer', 'state', 'previous', 'verdict', 'hungUpBy', hostile].map((name) => [name, hostile])
      )
    })
  )
  const site = await openSite(t, events)
  const page = await signedIn(t, site)
  page.on('dialog', () => t.fail('something was obeyed'))
  const look = async () => {
    t.is(await page.locator('img, b, script:not(#program), svg[onload], [onerror]').count(), 0)
    const text = String(await page.evaluate('document.body.innerText'))
    t.notRegex(text, /[\u202a-\u202e\u2066-\u2069\u0007]/)
    return text
  }
  await countOf(page, events.length)
  await page.locator('.list-body .facts').first().waitFor()
  t.true((await look()).includes('\\u{202e}gnp.exe'))
  await page.goto(`${site.url}/#/entries?entry=0`)
  await page.locator('dialog .json').waitFor()
  t.true((await look()).includes('</script><img src=x onerror=alert(1)>'))
  await page.goto(`${site.url}/#/trace?id=${encodeURIComponent(traceId)}`)
  await page.locator('.step').first().waitFor()
  await look()
  for (const by of ['model', 'trace']) {
    await page.goto(`${site.url}/#/cost?by=${by}`)
    await page.locator('tr[data-group=total]').waitFor()
    await look()
  }
  await page.goto(`${site.url}/#/trace?id=${encodeURIComponent(hostile)}`)
  await page.locator('.waiting').waitFor()
  await look()
  const data = await offlineData(testLog(events), null, { policy: `# ${hostile.replace('\u0007', '')}\nquorum none\n` })
  await page.goto(await fileOf(t, await offlinePage(data)))
  t.is(await verdictOf(page), 'unpinned')
  await page.click('nav a[data-view=trust]')
  t.is(await page.locator('img, b, [onerror]').count(), 0)
})

test.serial('the page comes with a strict policy, is kept by its hash, and says what is wrong with a token', async (t) => {
  const site = await openSite(t, plainEvents(3))
  const first = await fetch(`${site.url}/`)
  const policy = first.headers.get('content-security-policy')!
  for (const part of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"])
    t.true(policy.includes(part))
  t.notRegex(policy, /unsafe/)
  const html = await first.text()
  t.notRegex(html, /<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/)
  t.is((await fetch(`${site.url}/`, { headers: { 'if-none-match': first.headers.get('etag')! } })).status, 304)
  const script = await fetch(site.url + /src="(\/page\/[0-9a-f]{20}\.js)"/.exec(html)![1]!)
  t.regex(script.headers.get('cache-control')!, /immutable/)
  t.is((await fetch(`${site.url}/page/${'0'.repeat(20)}.js`)).status, 404)
  const page = await (await newContext(t)).newPage()
  await page.goto(site.url)
  for (const [token, said] of [
    ['ifw_nobody', /does not know this token/],
    [site.tokens.producer, /not for auditors/]
  ] as const) {
    await page.fill('#token', token)
    await page.click('button[type=submit]')
    await page.locator('[role=alert]:visible').waitFor()
    t.regex((await page.locator('[role=alert]').textContent()) ?? '', said)
  }
  await page.fill('#token', site.tokens.auditor)
  await page.click('details.pin > summary')
  await page.fill('#key', `${site.ledger.vkey.slice(0, -3)}AAA`)
  await page.click('button[type=submit]')
  t.regex((await page.locator('[role=alert]').textContent()) ?? '', /does not belong|no Ed25519/)
  const unlabelled =
    'Array.from(document.querySelectorAll("input, select, textarea, button")).filter((e) => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).length'
  t.is(await page.evaluate(unlabelled), 0)
})

async function fileOf(t: ExecutionContext, html: string): Promise<string> {
  const path = join(scratch(t), 'audit.html')
  await writeFile(path, html)
  return pathToFileURL(path).href
}

test.serial('one file holds it all: opened from disk, it checks what it holds and asks nobody', async (t) => {
  const log = testLog([...plainEvents(700), ...callEvents()])
  const data = await offlineData(log)
  const html = await offlinePage(data)
  t.is(html, await offlinePage(data), 'the same octets for the same data')
  t.notRegex(html, /https?:\/\/(?!www\.w3\.org)/)
  const context = await newContext(t)
  const requests: string[] = []
  context.on('request', (request) => requests.push(request.url()))
  const page = await context.newPage()
  await page.goto(await fileOf(t, html))
  t.is(await verdictOf(page), 'unpinned')
  await countOf(page, 716)
  await page.click('nav a[data-view=trace]')
  await page.fill('#trace-id', 'case-7')
  await page.click('button[type=submit]')
  await page.locator('.step').first().waitFor()
  t.regex((await page.locator('.trace-facts').textContent()) ?? '', /\$0\.20195/)
  await page.click('nav a[data-view=trust]')
  await page.click('.loud button')
  await page.locator('.verdict[data-verdict=valid]').waitFor()
  t.true(
    requests.every((url) => /^(?:file|blob|data):/.test(url)),
    requests.join(' ')
  )

  const entries = data.entries.map((entry) =>
    entry.index === 333 ? { ...entry, bytes: entry.bytes.replace('"n":', '"n":9') } : entry
  )
  await page.goto(await fileOf(t, await offlinePage({ ...data, entries })))
  t.is(await verdictOf(page), 'altered')
  t.regex((await page.locator('.verdict-summary').textContent()) ?? '', /Entry 333 /)
  const fork = await offlineData(testLog(plainEvents(716, 5), log.signer))
  await page.goto(await fileOf(t, await offlinePage(fork)))
  t.is(await verdictOf(page), 'forked', 'this browser saw another log of that key')
})

test.serial('a selection in one file is checked by its proofs', async (t) => {
  const log = testLog(plainEvents(700))
  const data = await offlineData(log, [5, 6, 300, 699])
  const page = await (await newContext(t)).newPage()
  await page.goto(await fileOf(t, await offlinePage(data)))
  t.is(await verdictOf(page), 'unpinned')
  await countOf(page, 4)
  await page.locator('#count', { hasText: 'a selection of 700' }).waitFor()
  const entries = data.entries.map((entry) =>
    entry.index === 300 ? { ...entry, bytes: entry.bytes.replace('"n":', '"n":9') } : entry
  )
  await page.goto(await fileOf(t, await offlinePage({ ...data, entries })))
  t.is(await verdictOf(page), 'altered')
  t.regex((await page.locator('.verdict-summary').textContent()) ?? '', /Entry 300 /)
})

test.serial('twenty thousand entries do not hold the page up, and a phone has room for it', async (t) => {
  const data = await offlineData(testLog(plainEvents(20_000)))
  const context = await newContext(t, { viewport: { width: 390, height: 800 }, colorScheme: 'dark' })
  const page = await context.newPage()
  await page.goto(await fileOf(t, await offlinePage(data)))
  t.is(await verdictOf(page), 'unpinned')
  await countOf(page, 20_000)
  t.true((await page.locator('.list-body .line').count()) < 80)
  await page.focus('.list')
  await page.keyboard.press('End')
  await page.locator('.line[data-index="0"]').waitFor()
  await page.fill('#f-text', 'call-1234')
  await countOf(page, 10)
  for (const view of ['entries', 'trace', 'cost', 'checkpoints', 'trust']) {
    await page.click(`nav a[data-view=${view}]`)
    t.true(
      (await page.evaluate('document.documentElement.scrollWidth <= innerWidth')) as boolean,
      `${view} is not wider than the screen`
    )
  }
})
