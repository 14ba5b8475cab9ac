/**
 * One call with all three bridges, in a network namespace of its own: an expert's telephone, a Guardian's terminal, a Guardian's browser, and a source of
 * NDI. `node three-bridges.ts` tells as JSON what came of it.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ExecutionContext } from 'ava'
import { newTraceId } from '#kernel'
import { ifctl } from '../../cli/testing/run.ts'
import { peer } from '../../gateways/ndi/testing/peer.ts'
import { startBaresip } from '../../scripts/baresip/baresip.ts'
import { heardBy, openPage } from './browser.ts'
import { terminal } from './h323.ts'
import { folderWithExpert, runSuite, until } from './harness.ts'
import { hears } from './sound.ts'

const teardowns: (() => unknown)[] = []
/** What helpers of tests need of one. */
const t = { teardown: (act: () => unknown) => void teardowns.push(act) } as unknown as ExecutionContext

const kinds = ['h323', 'webrtc', 'ndi'] as const
type Kind = (typeof kinds)[number]
const patienceMs = 30_000
const begun = performance.now()
/** How far it has come, for who looks at a failure. */
const tell = (what: string): void => console.error(`${((performance.now() - begun) / 1000).toFixed(1)} s: ${what}`)

/** Processes that this one has started. */
async function children(): Promise<number[]> {
  const text = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')
  return text.trim().split(/\s+/).filter(Boolean).map(Number)
}

/** What this process has open, by kind: sockets with their protocol, files with their names. */
async function descriptors(): Promise<Record<string, number>> {
  const sockets = new Map<string, string>()
  for (const protocol of ['tcp', 'tcp6', 'udp', 'udp6', 'unix']) {
    const lines = (await readFile(`/proc/self/net/${protocol}`, 'utf8')).trim().split('\n').slice(1)
    for (const line of lines) {
      const words = line.trim().split(/\s+/)
      const state = protocol.startsWith('tcp') ? ` ${words[3] === '0A' ? 'listening' : 'connected'}` : ''
      sockets.set(protocol === 'unix' ? words[6]! : words[9]!, `${protocol}${state}`)
    }
  }
  const counts: Record<string, number> = {}
  for (const descriptor of await readdir('/proc/self/fd')) {
    const link = await readlink(`/proc/self/fd/${descriptor}`).catch(() => null)
    if (link === null) continue
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1]
    const kind = inode === undefined ? link.replace(/:\[\d+\]$/, '') : `socket ${sockets.get(inode) ?? 'unconnected'}`
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

type Held = Record<string, number | readonly string[] | Record<string, number>>

/** What is held beyond what was: a connection that was kept alive, or a helper of the browser, may be gone by now. */
function moreThan(before: Held, now: Held): Record<string, unknown> {
  const more: Record<string, unknown> = {}
  for (const [what, value] of Object.entries(now)) {
    const was = before[what]
    if (typeof value === 'number') {
      if (value > (typeof was === 'number' ? was : 0)) more[what] = `${was} → ${value}`
    } else if (Array.isArray(value)) {
      const added = value.filter((each) => !(was as readonly string[]).includes(each))
      if (added.length > 0) more[what] = added
    } else {
      const added = moreThan((was ?? {}) as Held, value as Held)
      if (!isDeepStrictEqual(added, {})) more[what] = added
    }
  }
  return more
}

async function run(): Promise<object> {
  const source = `Evidence ${process.pid}`
  const expert = await startBaresip({
    address: 'expert-safety@external.advisor',
    transport: 'udp',
    answer: 'auto',
    source: { toneHz: 1700 }
  })
  t.teardown(expert.stop)
  const data = await folderWithExpert(t, `sip:expert-safety@127.0.0.1:${expert.sipPort}`, {
    guardians: ['guardian-1', 'guardian-2']
  })
  const running = await runSuite(t, {
    data,
    h323: { enabled: true, ras: 0, signalling: 0, router: 0 },
    webrtc: { enabled: true, port: 0, maxBrowsers: 10 },
    ndi: { enabled: true, addresses: ['127.0.0.1'], ingest: { source, height: 480 } },
    escalation: { bridges: { retriesMs: [500, 1000, 2000, 2000, 2000], operationMs: 8000 } }
  })
  const { suite, entriesOf } = running
  const { escalator } = suite

  const room = await terminal(t, running, 'guardian-1', 440)
  let isReachable = true
  room.endpoint.onCall((call) => {
    if (isReachable) void call.answer({ conference: 'room', participant: 'me', role: 'guardian' })
    else call.release(41)
  })
  const startSource = async () => {
    const sender = peer('flash', source, '600')
    t.teardown(sender.kill)
    await sender.told('sending')
    return sender
  }
  let sender = await startSource()
  const invited = await ifctl(['council', 'invite', 'guardian-2', '--data', data])
  const url = invited.stdout.trim()
  let { page, problems } = await openPage(t, url, 600)
  /** At once: a busy machine keeps whoever waits for a steady picture waiting. */
  const press = (button: string) => page.click(`#${button}`, { force: true })
  const takeSeat = async () => {
    await page.reload()
    await press('join')
    await page.getByText('Connected', { exact: true }).waitFor({ timeout: patienceMs })
  }

  const states = (id: string): Record<Kind, string> => {
    const { bridges } = escalator.get(id)!
    const of = (kind: Kind) => bridges.find(({ bridge }) => bridge === kind)
    return Object.fromEntries(kinds.map((kind) => [kind, of(kind)?.skipped ?? of(kind)?.state ?? 'none'])) as Record<Kind, string>
  }
  const becomes = (id: string, kind: Kind, ...wanted: string[]) =>
    until(
      () => wanted.includes(states(id)[kind]),
      patienceMs,
      `${kind} does not become ${wanted}: ${JSON.stringify(escalator.get(id)!.bridges)}`
    )
  const allActive = (id: string) => Promise.all(kinds.map((kind) => becomes(id, kind, 'ACTIVE')))
  const escalate = async (): Promise<string> => {
    const payload = { hazard: 'safety', ndi_video_enabled: true }
    const { escalation } = await escalator.escalate({ performative: 'escalate', sender: 'test', payload }, { by: 'test' })
    const { result } = await escalator.result(escalation.id)
    if (result?.status !== 'connected') throw new Error(JSON.stringify(result))
    return escalation.id
  }
  const end = async (id: string) => {
    escalator.cancel(id, 'test')
    await escalator.ended(id)
  }

  /** What this process and its parts hold. */
  const held = async () => {
    const { media, webrtc, h323, ndi } = suite.inside
    return {
      descriptors: await descriptors(),
      children: (await children()).length,
      timers: process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length,
      mediasoup: webrtc!.rooms.counts(),
      participants: media.conferences().flatMap((conference) => media.roster(conference)).length,
      calls: h323!.mcu.endpoint.calls().length + suite.status().calls.length,
      ingests: ndi!.ingests.list().length,
      files: (await readdir(data)).sort()
    }
  }

  /**
   * What comes once and stays is there before anything is counted: the ledger's thread for its journal begins behind the first 2 MiB, which a busy machine
   * reaches sooner or later.
   */
  const warm = async (): Promise<void> => {
    const text = 'x'.repeat(30_000)
    for (let at = 0; at < 100; at++)
      await suite.inside.witness.record({ component: 'test', event: 'warm', traceId: newTraceId(), payload: { at, text } })
    let last: Held = {}
    await until(
      async () => {
        const before = last
        await sleep(1000)
        last = await held()
        return isDeepStrictEqual(before, last)
      },
      patienceMs,
      'what is held does not settle'
    )
  }

  tell('suite, terminal, browser, source')
  await takeSeat()
  const id = await escalate()
  await allActive(id)
  const { data: folder } = suite
  const shown = await ifctl(['escalate', 'show', id, '--data', folder.folder])
  const together = escalator.get(id)!.bridge_state
  const pageHears = async () => {
    await until(async () => (await heardBy(page, 1700)) > -50, patienceMs, 'the page hears the expert')
    return true
  }

  const turns: Record<string, { without: Record<Kind, string>; call: string; sound: boolean }> = {}
  const pageSays = async (text: RegExp) => {
    await until(
      async () => text.test((await page.locator('#escalations').textContent()) ?? ''),
      patienceMs,
      `the page says ${text}`
    )
    return true
  }
  tell('all three are active')
  // a line that breaks
  isReachable = false
  room.endpoint.calls()[0]!.release(41)
  await becomes(id, 'h323', 'DEGRADED')
  await pageSays(/h323 to guardian-1: DEGRADED/)
  turns.h323 = { without: states(id), call: escalator.get(id)!.bridge_state, sound: await pageHears() }
  isReachable = true
  await becomes(id, 'h323', 'ACTIVE')
  tell('without the terminal, and with it again')
  // a browser that crashes
  for (const pid of await children()) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (/chrom/.test(command)) process.kill(pid, 'SIGKILL')
  }
  await becomes(id, 'webrtc', 'DEGRADED')
  turns.webrtc = { without: states(id), call: escalator.get(id)!.bridge_state, sound: await hears(room.phone, 1700) }
  const again = await openPage(t, url, 600)
  page = again.page
  problems = again.problems
  await takeSeat()
  await becomes(id, 'webrtc', 'ACTIVE')
  tell('without the browser, and with it again')
  // a source that is gone
  sender.kill()
  await becomes(id, 'ndi', 'DEGRADED')
  turns.ndi = {
    without: states(id),
    call: escalator.get(id)!.bridge_state,
    sound: (await hears(room.phone, 1700)) && (await pageHears())
  }
  sender = await startSource()
  await becomes(id, 'ndi', 'ACTIVE')
  tell('without the source, and with it again')
  await end(id)
  const closed = states(id)
  await press('leave')
  await until(async () => (await held()).participants === 0, patienceMs, 'everybody has left')

  const kill: Record<Kind, () => unknown> = {
    h323: () => room.endpoint.calls()[0]!.release(),
    webrtc: () => press('leave'),
    ndi: () => Promise.all(suite.inside.ndi!.ingests.list().map((each) => suite.inside.ndi!.ingests.stop(each.id, 'test')))
  }
  const orders = kinds
    .flatMap((a) => kinds.flatMap((b) => kinds.map((c) => [a, b, c])))
    .filter((each) => new Set(each).size === 3)
  const leftBy: Record<string, unknown> = {}
  await warm()
  const before = await held()
  for (const order of orders) {
    await takeSeat()
    const call = await escalate()
    await allActive(call)
    tell(`once more, to end by ${order.join(', ')}`)
    for (const kind of order) await kill[kind]()
    await end(call)
    const name = order.join(' ')
    const isFree = async () => {
      const more = moreThan(before, await held())
      leftBy[name] = isDeepStrictEqual(more, {}) ? 'nothing' : more
      return leftBy[name] === 'nothing'
    }
    await until(isFree, patienceMs, 'not free').catch(() => undefined)
  }
  const changes = entriesOf('BRIDGE_STATE_CHANGED').filter(({ component }) => component === 'IF.bridge.call')
  return {
    shown: shown.stdout,
    together,
    turns,
    closed,
    before,
    leftBy,
    problems,
    changes: changes.map(({ payload }) => [payload.escalation, payload.bridge, payload.previous, payload.state]),
    verdict: (await running.verify()).verdict
  }
}

try {
  console.log(JSON.stringify(await run()))
} finally {
  for (const act of teardowns.reverse()) await act()
}
