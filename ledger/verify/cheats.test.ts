/** Every cheat of the table before every reader of the record: what each of them says is written down there. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { Redis } from 'ioredis'
import { type Verification, type VerifyOptions, verifyLedger } from '#ledger'
import type { Source } from '../page/browser/protocol.ts'
import type { Report, Trust } from '../page/browser/verdict.ts'
import { pageDocument, pageParts } from '../page/bundle.ts'
import { openBrowser, signIn, type TestBrowser } from '../page/testing/browser.ts'
import { scratch } from '../testing/fixtures.ts'
import { type RedisServer, startRedis } from '../testing/redis-server.ts'
import { type Cheat, cheats, type Honest, honestLog, type pages, type Reader, type verifiers } from './testing/cheats.ts'
import { answerOf, asBundle, asFolder, intoRedis, mirror, pageData, type ToldLog } from './testing/told-log.ts'

const test = anyTest as TestFn
let honest: Honest
let redis: RedisServer
let browser: TestBrowser
/** What the service shows. */
let shown: ToldLog
let url: string
const endings: (() => unknown)[] = []

test.before(async (t) => {
  const outlasting = { ...t, teardown: (end: () => unknown) => endings.unshift(end) } as unknown as typeof t
  honest = await honestLog(outlasting)
  shown = honest.log
  redis = await startRedis()
  browser = await openBrowser()
  const { script, style } = await pageParts()
  const document = pageDocument(`<style>${style}</style>`, '<script id="program" src="/page.js"></script>')
  const server = createServer(({ url: path = '' }, response) => {
    const page = path === '/' ? document : path === '/page.js' ? script : null
    const type = path === '/' ? 'text/html' : path === '/page.js' ? 'text/javascript' : 'application/octet-stream'
    const answer = page ?? answerOf(shown, path)
    response.writeHead(answer === null ? 404 : 200, { 'content-type': type }).end(answer ?? '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  endings.unshift(() => {
    server.closeAllConnections()
    server.close()
  })
})
test.after.always(async () => {
  await browser?.close()
  await redis?.stop()
  for (const end of endings) await end()
})

interface Said {
  readonly word: string
  readonly why: string
}

/** Where what readers say is not what the table has for them: a sentence each. */
const differences = ({ name, told }: Cheat, said: Readonly<Record<string, Said>>): string[] =>
  Object.entries(said).flatMap(([reader, { word, why }]) => {
    const wanted = told[reader as Reader] === undefined ? told.all : told[reader as Reader]
    return wanted === null || wanted === word ? [] : [`${name}: ${reader} says ${word}, not ${wanted}: ${why}`]
  })

test.serial(
  'the verifier: of a folder, of Redis, of a bundle, of tiles that a stranger fetched, against a head held elsewhere, since an earlier verification',
  async (t) => {
    const dir = scratch(t)
    const { vkey, log, early } = honest
    const { policy } = log
    const client = new Redis({ path: redis.socket })
    t.teardown(() => client.disconnect())
    const accountingPath = join(dir, 'accounting.jsonl')
    writeFileSync(accountingPath, honest.accounting)
    const all = { vkey, policy, depth: 'form', beside: {}, completeness: { accountingPath } } as const satisfies VerifyOptions
    const before = await asFolder(early, join(dir, 'early'))
    const { state } = await verifyLedger(before.database, { vkey, policy, publishedPath: before.published })
    const wrong: string[] = []

    for (const [number, cheat] of cheats.entries()) {
      shown = cheat.change(honest)
      const here = join(dir, String(number))
      mkdirSync(here)
      const { database, published } = await asFolder(shown, here)
      await intoRedis(shown, client)
      await asBundle(shown, join(here, 'bundle.zip'))
      await mirror(url, join(here, 'mirror'))
      const beside = { publishedPath: published }
      const found: Record<(typeof verifiers)[number], Verification> = {
        sqlite: await verifyLedger(database, { ...all, ...beside }),
        redis: await verifyLedger(redis.url, { ...all, ...beside }),
        bundle: await verifyLedger(join(here, 'bundle.zip'), all),
        mirror: await verifyLedger(join(here, 'mirror'), all),
        held: await verifyLedger(database, { vkey, policy, ...beside, pinned: [log.head.checkpoint] }),
        since: await verifyLedger(database, { vkey, policy, ...beside, from: state! })
      }
      const said = Object.entries(found).map(([reader, { verdict: word, explanation: why }]) => [reader, { word, why }] as const)
      wrong.push(...differences(cheat, Object.fromEntries(said)))
      const { explanation, notes, index } = found.sqlite
      const text = [explanation, ...notes].join('; ')
      if (cheat.index !== undefined && cheat.index !== index) wrong.push(`${cheat.name}: entry ${index}, not ${cheat.index}`)
      if (cheat.says !== undefined && !cheat.says.test(text)) wrong.push(`${cheat.name}: ${cheat.says} is not said: ${text}`)
    }
    t.deepEqual(wrong, [])
  }
)

/** Has the page's worker audit a source, in the browser. */
const auditing = `
  const worker = new Worker('/page.js')
  globalThis.audit = (source, trust) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => {
      if ('answer' in data || 'error' in data) resolve(data.answer ?? { verdict: 'failed', summary: data.error.message })
    }
    worker.postMessage({ id: 0, question: 'open', ask: { source, trust } })
  })
  undefined
`

test.serial('the page, in Chromium: at the first visit, where it saw the log before, and with what a bundle holds', async (t) => {
  const { vkey, log } = honest
  const context = await browser.context()
  t.teardown(() => context.close())
  const page = await context.newPage()
  shown = log
  t.is(await signIn(page, url, 'token', { key: vkey, policy: log.policy }), 'valid')
  await page.evaluate(auditing)
  const trust: Trust = { key: vkey, policy: log.policy, pinned: true, sinceMs: 0, seen: null }
  const audit = async (source: Source, trusted: Trust): Promise<Said> => {
    const report = (await page.evaluate(`audit(${JSON.stringify(source)}, ${JSON.stringify(trusted)})`)) as Report
    return { word: report.verdict, why: report.summary }
  }
  const wrong: string[] = []
  const honestJson = JSON.stringify(pageData(log))
  for (const cheat of cheats) {
    shown = cheat.change(honest)
    const service = { kind: 'service', token: 'token' } as const
    const found: Partial<Record<(typeof pages)[number], Said>> = { page: await audit(service, trust) }
    // where the checkpoint is the one that it saw, there is nothing to remember
    if (shown.head.checkpoint !== log.head.checkpoint || cheat.told.again !== undefined)
      found.again = await audit(service, { ...trust, seen: log.head.checkpoint })
    const json = JSON.stringify(pageData(shown))
    if (json !== honestJson || shown === log) found.offline = await audit({ kind: 'file', json }, trust)
    wrong.push(...differences(cheat, found))
  }
  t.deepEqual(wrong, [])

  // as it is shown
  shown = cheats.find(({ name }) => name === 'a call lacks an entry')!.change(honest)
  await page.evaluate('localStorage.clear()')
  await page.reload()
  await page.locator('.verdict[data-verdict=incomplete]', { hasText: '1@phone, those numbered 2' }).waitFor()
  t.deepEqual(browser.problems, [])
})
