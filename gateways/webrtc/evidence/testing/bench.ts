/**
 * How fast evidence goes, and what memory it takes: from the suite's store to a Guardian's page in Chromium over a data channel, and to a receiver of our
 * own over SCTP between two routers. Beside it a bare data channel of the same library to the same page: the same octets, nothing done with them.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWorker } from 'mediasoup'
import type { Page } from 'playwright-core'
import { newTraceId, silentLog, systemClock } from '#kernel'
import type { Metric } from '#scripts/bench/report.ts'
import { chromiumPath, fakeDevices, startChromiumWith } from '#scripts/chromium.ts'
import { type Suite, startSuite } from '#suite'
import type { EvidenceChannel, EvidenceSource } from '../link/link-ports.ts'
import { testEnd } from './memory.ts'

const mebi = 1 << 20
const chunk = 65_536
/** A bare channel is as fast for few as for many. */
const mostBare = 64 * mebi

/** What /proc tells of a process; empty for one that is gone. */
const told = (pid: string | number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** This process and all under it. */
function family(): readonly number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => [Number(pid), Number(/^PPid:\s+(\d+)/m.exec(told(pid, 'status'))?.[1] ?? 0)] as const)
  const found = new Set([process.pid])
  for (let before = 0; before !== found.size; ) {
    before = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}

/** Resident memory, octets: of Chromium's processes, or of all others. */
const residentOf = (pids: readonly number[], ofBrowser: boolean): number =>
  pids
    .filter((pid) => /chrom/i.test(told(pid, 'comm')) === ofBrowser)
    .reduce((sum, pid) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(told(pid, 'status'))?.[1] ?? 0) * 1024, 0)

/** Octets that are never the same twice, made as they are read. */
async function* octetsOf(bytes: number): AsyncGenerator<Uint8Array> {
  const block = Buffer.alloc(chunk)
  for (let at = 0; at < bytes; at += chunk) {
    block.writeDoubleBE(Math.random(), 0)
    block.writeDoubleBE(at, 8)
    yield block.subarray(0, Math.min(chunk, bytes - at))
  }
}

interface Memory {
  /** Before, and the most while it ran: octets resident. */
  readonly before: number
  readonly most: number
}

interface Measured {
  readonly seconds: number
  /** Of this process and mediasoup's. */
  readonly suite: Memory
  readonly browser: Memory
}

async function measured(work: () => Promise<void>): Promise<Measured> {
  const pids = family()
  const [suite, browser] = [false, true].map((ofBrowser) => {
    const before = residentOf(pids, ofBrowser)
    return { before, most: before }
  }) as [Memory & { most: number }, Memory & { most: number }]
  const look = () => {
    suite.most = Math.max(suite.most, residentOf(pids, false))
    browser.most = Math.max(browser.most, residentOf(pids, true))
  }
  const timer = setInterval(look, 200)
  const began = performance.now()
  await work()
  clearInterval(timer)
  look()
  return { seconds: (performance.now() - began) / 1000, suite, browser }
}

export interface EvidenceFigures {
  readonly bytes: number
  readonly bareBytes: number
  readonly bare: Measured
  readonly page: Measured
}

/** To a page in Chromium: bare, and as evidence. */
export async function measurePage(bytes: number): Promise<EvidenceFigures> {
  const data = await mkdtemp(join(tmpdir(), 'evidence-bench-'))
  const suite = await startSuite(
    { data: join(data, 'suite'), edge: 'external', logLevel: 'silent', webrtc: { enabled: true, port: 0, maxBrowsers: 10 } },
    { log: silentLog }
  )
  try {
    const trace = newTraceId()
    const context = { traceId: trace, log: silentLog, signal: new AbortController().signal, now: systemClock.now }
    const { evidence, council, rooms } = suite.inside.webrtc!
    const opened = evidence.bridge.open(context, { conference: 'council', expertId: 'expert-safety' })
    if (!opened.ok) throw new Error(opened.skipped)
    const facts = { trace, name: 'evidence.bin', mediaType: 'application/octet-stream', bytes, sha256: null }
    const browser = await startChromiumWith(join(data, 'browser'), data, ...fakeDevices())
    try {
      const page = await browser.newPage()
      const invited = council.invite({
        id: 'guardian-1',
        conference: 'council',
        kind: 'person',
        mayVote: false,
        hazard: null
      })
      await page.goto(invited!.url)
      await page.click('#join')
      await page.waitForSelector('#evidence[data-state=ACTIVE]', { state: 'attached', timeout: 60_000 })
      const bareBytes = Math.min(bytes, mostBare)
      const bare = await measured(() => sendBare(rooms, page, bareBytes))
      const shared = await evidence.share({ ...facts, by: 'bench', via: 'http' }, octetsOf(bytes))
      if (!shared.ok) throw new Error(shared.reason)
      const done = () => page.waitForSelector(`[data-evidence="${shared.item.id}"][data-state=received]`, { timeout: 600_000 })
      const result = await measured(async () => void (await done()))
      return { bytes, bareBytes, bare, page: result }
    } finally {
      await browser.close()
    }
  } finally {
    await suite.stop()
    await rm(data, { recursive: true, force: true })
  }
}

/** The same octets over a channel on which nothing is looked at. */
async function sendBare(
  rooms: Pick<NonNullable<Suite['inside']['webrtc']>['rooms'], 'openData'>,
  page: Page,
  bytes: number
): Promise<void> {
  const offer = (await page.evaluate(`(async () => {
    window.bare = new RTCPeerConnection({ iceServers: [] })
    bare.createDataChannel('opener', { negotiated: true, id: 1000 })
    await bare.setLocalDescription()
    return bare.localDescription.sdp
  })()`)) as string
  const opened = await rooms.openData(offer)
  if (!opened.ok) throw new Error(opened.reason)
  await page.evaluate(`bare.setRemoteDescription({ type: 'answer', sdp: ${JSON.stringify(opened.sdp)} })`)
  await opened.link.connected()
  const pipe = await opened.link.open('bare')
  await page.evaluate(`new Promise((resolve) => {
    window.count = 0
    const channel = bare.createDataChannel('bare', { negotiated: true, id: ${pipe.stream} })
    channel.binaryType = 'arraybuffer'
    channel.onmessage = ({ data }) => (count += data.byteLength)
    channel.onopen = () => resolve()
  })`)
  const message = Buffer.alloc(chunk)
  for (let at = 0; at < bytes; at += chunk) {
    await pipe.drained()
    await pipe.send(message)
  }
  await page.evaluate(`new Promise((resolve) => {
    const timer = setInterval(() => count >= ${bytes} && (clearInterval(timer), resolve()), 5)
  })`)
  opened.link.close()
}

/** A receiver of our own: two routers in two processes, SCTP over UDP between them. */
export async function measureOwn(bytes: number): Promise<Measured> {
  const workers = await Promise.all([createWorker({ logLevel: 'error' }), createWorker({ logLevel: 'error' })])
  try {
    const [near, far] = await Promise.all(workers.map((worker) => worker.createRouter()))
    const [here, there] = await Promise.all([near!.createDirectTransport(), far!.createDirectTransport()])
    const [down, up] = await Promise.all([here.produceData({ label: 'down' }), there.produceData({ label: 'up' })])
    await near!.pipeToRouter({ dataProducerId: down.id, router: far!, enableSctp: true })
    await far!.pipeToRouter({ dataProducerId: up.id, router: near!, enableSctp: true })
    const [heardThere, heardHere] = await Promise.all([
      there.consumeData({ dataProducerId: down.id }),
      here.consumeData({ dataProducerId: up.id })
    ])
    const channel = (send: typeof down, hear: typeof heardHere): EvidenceChannel => ({
      send: async (message) => send.send(typeof message === 'string' ? message : Buffer.from(message.buffer)),
      // a pipe of mediasoup tells nothing of what waits: the window of the link bounds it
      room: async () => {},
      onMessage: (listener) => hear.on('message', (message, ppid) => listener(ppid === 51 ? message.toString() : message)),
      close: () => {}
    })
    const sender = testEnd(systemClock, { call: 'bench' })
    const received = Promise.withResolvers<void>()
    const receiver = testEnd(
      systemClock,
      { call: 'bench' },
      { onProgress: ({ state }) => state === 'received' && received.resolve() }
    )
    sender.link.attach(channel(down, heardHere))
    receiver.link.attach(channel(up, heardThere))
    const source = await patternSource(bytes)
    return await measured(async () => {
      sender.link.offer(source)
      await received.promise
      sender.link.end('done')
    })
  } finally {
    for (const worker of workers) worker.close()
  }
}

/** A file that is one chunk over and over, known by its index. */
async function patternSource(bytes: number): Promise<EvidenceSource> {
  const fill = (index: number, into: Uint8Array): Uint8Array => {
    const octets = into.subarray(0, Math.min(chunk, bytes - index * chunk))
    octets.fill(index & 255)
    return octets
  }
  const whole = createHash('sha256')
  const buffer = new Uint8Array(chunk)
  for (let index = 0; index * chunk < bytes; index++) whole.update(fill(index, buffer))
  return {
    id: newTraceId(),
    name: 'pattern.bin',
    mediaType: 'application/octet-stream',
    bytes,
    sha256: whole.digest('hex'),
    by: 'bench',
    read: async (index, into) => {
      const octets = fill(index, into)
      return { length: octets.length, sha256: createHash('sha256').update(octets).digest('hex') }
    },
    release: () => {}
  }
}

const rate = (bytes: number, { seconds }: Measured): number => bytes / 1e6 / seconds
const mib = (octets: number): number => Math.round((octets / mebi) * 100) / 100
const round = (value: number): number => Math.round(value * 100) / 100

function memoryMetrics(name: string, { suite, browser }: Measured, note: string): Metric[] {
  const metric = (what: string, value: number, of: string): Metric => ({
    metric: `evidence.${name}_${what}`,
    value: mib(value),
    unit: 'MiB',
    note: `${of}, ${note}`
  })
  return [
    metric('grown_mib', suite.most - suite.before, 'most resident over before: this process and mediasoup'),
    metric('max_rss_mib', suite.most, 'most resident: this process and mediasoup'),
    ...(browser.most === 0
      ? []
      : [metric('browser_grown_mib', browser.most - browser.before, 'most resident over before: Chromium, all its processes')])
  ]
}

/** Metrics of a run to the page. */
export function pageMetrics({ bytes, bareBytes, bare, page }: EvidenceFigures): Metric[] {
  const [evidence, plain] = [rate(bytes, page), rate(bareBytes, bare)]
  const size = `${Math.round(bytes / mebi)} MiB to a page in Chromium`
  return [
    { metric: 'evidence.mb_per_s', value: round(evidence), unit: 'MB/s', note: `${size}, hashed and kept` },
    { metric: 'evidence.bare_mb_per_s', value: round(plain), unit: 'MB/s', note: 'a bare data channel to the same page' },
    { metric: 'evidence.ratio_to_bare', value: round(evidence / plain), unit: '', note: 'of the two' },
    ...memoryMetrics('page', page, size)
  ]
}

/** Metrics of a run to a receiver of our own. */
export function ownMetrics(bytes: number, own: Measured): Metric[] {
  const note = `${Math.round(bytes / mebi)} MiB to a receiver of our own, SCTP between two routers`
  return [
    { metric: 'evidence.own_mb_per_s', value: round(rate(bytes, own)), unit: 'MB/s', note },
    ...memoryMetrics('own', own, note)
  ]
}

/** Both, with files of so many octets. */
export const measureEvidence = async (bytes: number): Promise<Metric[]> => [
  ...pageMetrics(await measurePage(bytes)),
  ...ownMetrics(bytes, await measureOwn(bytes))
]

export const canMeasureEvidence: boolean = chromiumPath !== undefined
