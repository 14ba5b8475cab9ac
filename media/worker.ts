/**
 * A media thread: sockets, jitter buffers, mixers and the 20 ms tick. The main thread only says who takes part.
 */
import { randomBytes } from 'node:crypto'
import { getPriority, setPriority } from 'node:os'
import { PerformanceObserver } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { type DirectionStats, errorCode, InfraFabricError } from '#kernel'
import { type FromWorker, levelFlags, levelWords, type ToWorker, type WorkerMetrics, type WorkerSettings } from './control.ts'
import { LoadEconomy } from './economy.ts'
import { ExpressLane, type LaneParty } from './express/express.ts'
import { isStun } from './ice/stun.ts'
import type { Endpoint } from './latch.ts'
import { Leg, type LegOutput } from './leg.ts'
import { Conference, type Member } from './mixer/conference.ts'
import { bestKernel } from './mixer/kernels.ts'
import { frameMs, type MixTools } from './mixer/lane.ts'
import { Pace } from './pace.ts'
import { type PortPair, PortPool } from './ports.ts'
import { RecordTap } from './recording/tap.ts'
import { createResampler } from './resample/resampler.ts'
import type { AudioTerms } from './sdp.ts'
import { type Libc, libc } from './udp/libc.ts'
import { nativeUdp } from './udp/native.ts'
import { nodeUdp } from './udp/node.ts'
import type { UdpSocket } from './udp/udp.ts'

const settings = workerData as WorkerSettings
const port = parentPort!
const tell = (message: FromWorker) => port.postMessage(message)

/** Time between two readings of the sockets: a flood from strangers does not fill a socket's room in the kernel so soon. */
const readEveryMs = 5
/**
 * Timers of the runtime are good to a millisecond or two: the last of the way to a frame is slept through exactly. Messages wait that long.
 */
const exactMs = 2.5
/** Time that one reading may take, between frames and before one is mixed: a flood does not hold up the mix. */
const readBudgetMs = readEveryMs / 2
const frameReadBudgetMs = frameMs / 2
/** Frames in which every leg is attended to once, and in which it is looked for silence: now some and now others. */
const attendEvery = 5
const watchEvery = 1000 / frameMs
/** Legs of the express lane: more than a thread can carry. */
const mostExpress = 4096
/** Frames until a conference that the express lane could not take is offered to it again. */
const considerEvery = 10
/** Memory for frames: of a leg with its way up and down and as many sounds as it may have, at 48 kHz and in the tick of a change; and of everything else. */
const octetsPerLeg = 65_536
const octetsBeside = 8 << 20
const cname = `${randomBytes(8).toString('hex')}@conference`

interface OpenLeg {
  readonly id: number
  readonly leg: Leg
  readonly pair: PortPair
  readonly conference: OpenConference
  readonly member: Member
  reportDueMs: number
}

interface OpenConference {
  readonly name: string
  readonly mixer: Conference
  /** Its legs and their sockets, which are read right before it is mixed: what is fetched into the processor's caches for a leg then serves both ways. */
  parties: { readonly leg: Leg; readonly socket: UdpSocket }[]
  sockets: UdpSocket[]
  tap: RecordTap | null
  /** Tick from which on it may be offered to the express lane. */
  considerAt: number
}

/** Sound that is late is lost: the thread goes before others where the system allows it. On Linux a priority is a thread's own. */
const nice = -10
try {
  if (process.platform === 'linux' && getPriority() > nice) setPriority(nice)
} catch {
  // Without the right to (CAP_SYS_NICE) the thread takes its turn like any other.
}

const library = settings.udp === 'native' ? libc() : null
const nativeLayer = library === null ? null : nativeUdp(library)
const udp = nativeLayer ?? nodeUdp()
const lane = nativeLayer === null ? null : ExpressLane.open(Math.min(settings.ports.count, mostExpress), nativeLayer)
const pool = new PortPool(udp, settings.ports, settings.owner)
/** Room for every leg that the ports allow, at the highest rate: what is not used costs nothing. */
const kernel = bestKernel(settings.ports.count * octetsPerLeg + octetsBeside)
const economy = new LoadEconomy(settings.economy)
const tools: MixTools = { kernel, createResampler, economy }
const legs = new Map<number, OpenLeg>()
/** The same, in an array that is walked every tick. */
let openLegs: OpenLeg[] = []
const conferences = new Map<string, OpenConference>()
let openConferences: OpenConference[] = []
const gone = { received: emptyCounts(), sent: emptyCounts(), strangers: 0 }
const nowMs = () => performance.now()

function emptyCounts(): { -readonly [key in keyof DirectionStats]: number } {
  return { packets: 0, bytes: 0, errors: 0, dropped: 0 }
}

/** Reports go out at random times around the interval, so that participants do not speak at once. @see RFC 3550 §6.3.1 */
const nextReportMs = (now: number) => now + settings.reportIntervalMs * (0.5 + Math.random())

let shuttingDown = false

/** Tells RTCP from RTP on one port by the packet type. @see RFC 5761 §4 */
function isControl(packet: Buffer): boolean {
  return packet.length > 1 && packet[1]! >= 192 && packet[1]! <= 223
}

const loops = (source: Endpoint) => settings.addresses.includes(source.address) && pool.holds(source.port)

async function open({
  leg: id,
  address,
  conference: name,
  voices,
  controls,
  terms
}: Extract<ToWorker, { type: 'open' }>): Promise<void> {
  let leg: Leg | null = null
  let pair: PortPair
  try {
    pair = await pool.take(
      address,
      (packet, source, arrivedMs, wallMs) => {
        if (leg === null) return
        if (loops(source)) leg.stranger()
        else if (isStun(packet)) leg.receiveCheck(packet, source, 'rtp')
        else if (isControl(packet)) leg.receiveControl(packet, source, arrivedMs, wallMs)
        else leg.receive(packet, source, arrivedMs)
      },
      (packet, source, arrivedMs, wallMs) => {
        if (leg === null) return
        if (loops(source)) leg.stranger()
        else if (isStun(packet)) leg.receiveCheck(packet, source, 'rtcp')
        else leg.receiveControl(packet, source, arrivedMs, wallMs)
      },
      (payload) => leg?.unsent(payload)
    )
  } catch (error) {
    if (!(error instanceof InfraFabricError)) throw error
    tell({ type: 'notOpened', leg: id, reason: error.message })
    return
  }
  if (shuttingDown) {
    pool.free(pair)
    return
  }
  const { rtp, rtcp } = pair
  const output: LegOutput = {
    sendRtp: rtp.send.bind(rtp),
    sendRtcp: (packet, to, muxed) => (muxed ? rtp : rtcp).send(packet, packet.length, to),
    frame: kernel.frame,
    freeFrame: kernel.free,
    digit: (digit, durationMs) => tell({ type: 'dtmf', leg: id, digit, durationMs }),
    silent: (silentMs) => tell({ type: 'mediaTimeout', leg: id, silentMs }),
    strangers: (packets) => tell({ type: 'strangers', leg: id, packets })
  }
  const opened = new Leg({ ...settings, cname }, output)
  opened.taken = () => {
    opened.taken = null
    tell({ type: 'sending', leg: id })
  }
  leg = opened
  const conference = conferences.get(name) ?? begin(name, voices)
  const member = conference.mixer.add(id, leg)
  conference.mixer.control(member, controls)
  legs.set(id, { id, leg, pair, conference, member, reportDueMs: nextReportMs(nowMs()) })
  openLegs = [...legs.values()]
  seat(conference, [...conference.parties, { leg, socket: rtp }])
  tell({ type: 'opened', leg: id, port: pair.port, index: pair.index, source: { ssrc: leg.ssrc, cname } })
  if (terms !== null) agree(id, terms)
}

function seat(conference: OpenConference, parties: OpenConference['parties']): void {
  conference.parties = parties
  conference.sockets = parties.map(({ socket }) => socket)
}

function begin(name: string, voices: number): OpenConference {
  const mixer = new Conference(
    tools,
    { voices, autoGain: settings.autoGain },
    {
      speaking: ({ id }, speaking) => tell({ type: 'speaking', leg: id, speaking }),
      dominant: ({ id }) => tell({ type: 'dominant', leg: id }),
      failed: ({ id }, { code }) => tell({ type: 'failed', leg: id, reason: code })
    }
  )
  const conference: OpenConference = { name, mixer, parties: [], sockets: [], tap: null, considerAt: 0 }
  conferences.set(name, conference)
  openConferences = [...conferences.values()]
  return conference
}

function close(id: number): WorkerMetricsPart | null {
  const opened = legs.get(id)
  if (opened === undefined) return null
  const { leg, conference, member, pair } = opened
  leg.report(nowMs(), Date.now(), true)
  legs.delete(id)
  openLegs = [...legs.values()]
  conference.mixer.remove(member)
  seat(
    conference,
    conference.parties.filter((party) => party.leg !== leg)
  )
  if (conference.mixer.size === 0) {
    conference.mixer.close()
    conferences.delete(conference.name)
    openConferences = [...conferences.values()]
  }
  const stats = leg.stats()
  leg.close()
  add(gone.received, stats.received)
  add(gone.sent, stats.sent)
  gone.strangers += leg.strangers
  settings.levels.fill(0, levelWords * pair.index, levelWords * (pair.index + 1))
  pool.free(pair)
  return stats
}

type WorkerMetricsPart = ReturnType<Leg['stats']>

function agree(id: number, terms: AudioTerms): void {
  const opened = legs.get(id)
  if (opened === undefined) return
  try {
    opened.leg.agree(terms, nowMs())
    opened.conference.mixer.refresh()
  } catch (error) {
    if (!(error instanceof InfraFabricError)) throw error
    tell({ type: 'failed', leg: id, reason: `${terms.codec}: ${errorCode(error)}` })
  }
}

function play({ request, conference, leg, sound }: Extract<ToWorker, { type: 'play' }>): void {
  const mixer = conferences.get(conference)?.mixer
  const to = leg === null ? null : legs.get(leg)?.member
  const ended = request === null ? () => {} : (whole: boolean) => tell({ type: 'played', request, whole })
  if (mixer === undefined || to === undefined) ended(false)
  else mixer.play(sound, to, ended)
}

function record({ conference: name, ring }: Extract<ToWorker, { type: 'record' }>): void {
  const conference = conferences.get(name)
  if (conference === undefined) return
  conference.tap = ring === null ? null : new RecordTap(ring, nowMs())
  conference.mixer.tap = conference.tap
}

/** What nobody hears is not recorded either: packets of who is muted or observes. */
function recordLeg({ leg: id, slot }: Extract<ToWorker, { type: 'recordLeg' }>): void {
  const opened = legs.get(id)
  if (opened === undefined) return
  const { leg, member, conference } = opened
  conference.mixer.refresh()
  member.slot = slot
  if (slot === 0) leg.taken = null
  else
    leg.taken = (packet, arrivedMs) => {
      if (member.controls.speaks) conference.tap?.packet(slot, packet, arrivedMs)
    }
}

function add(sum: ReturnType<typeof emptyCounts>, part: DirectionStats): void {
  sum.packets += part.packets
  sum.bytes += part.bytes
  sum.errors += part.errors
  sum.dropped += part.dropped
}

/** Shows the main thread how loud a leg is, without a message. */
function showLevel({ member, pair }: OpenLeg): void {
  const { levels } = settings
  member.glance()
  levels[levelWords * pair.index] = member.power
  levels[levelWords * pair.index + 1] = (member.speaking ? levelFlags.speaking : 0) | (member.mixed ? levelFlags.mixed : 0)
}

/** A fifth of the legs, another in each frame: levels are shown, and reports that are due go out. */
function attend(now: number): void {
  for (let n = ticks % attendEvery; n < openLegs.length; n += attendEvery) {
    const opened = openLegs[n]!
    showLevel(opened)
    if (now < opened.reportDueMs) continue
    opened.reportDueMs = nextReportMs(now)
    opened.leg.report(now, Date.now(), false)
  }
}

/** Offers conferences to the express lane, which sees to those that it has: legs that TypeScript carries for long cost more than their part. */
function considerLane(express: ExpressLane): void {
  for (let n = 0; n < openConferences.length; n++) {
    const conference = openConferences[n]!
    if (ticks < conference.considerAt) continue
    const refused = express.consider(conference.mixer, conference.parties as LaneParty[])
    if (refused) conference.considerAt = ticks + considerEvery
  }
}

const pace = new Pace()
const lateness = new Float64Array(1024)
const work = new Float64Array(1024)
let ticks = 0
let overruns = 0
let dueMs = nowMs() + frameMs
let timer: NodeJS.Timeout

const sleepExactly = library === null ? null : exactSleep(library)

function exactSleep(native: Libc): (ms: number) => void {
  const time = new Int32Array(4)
  const timeAt = native.address(new Uint8Array(time.buffer))
  return (ms) => {
    time[0] = 0
    time[2] = ms * 1e6
    native.nanosleep(timeAt, 0)
  }
}

/** After a stall the packets that waited in the sockets are read before their time is mixed. */
function wake(): void {
  if (shuttingDown) return
  if (nowMs() - dueMs >= frameMs) {
    setImmediate(mixDue)
    return
  }
  if (nowMs() < dueMs) udp.poll(readBudgetMs)
  const leftMs = dueMs - nowMs()
  if (sleepExactly !== null && leftMs > 0 && leftMs <= exactMs) sleepExactly(leftMs)
  if (nowMs() >= dueMs) mixDue()
  else sleepOn()
}

/** Until shortly before the next frame, or the next reading. */
function sleepOn(): void {
  const leftMs = dueMs - nowMs()
  if (sleepExactly === null) timer = setTimeout(wake, Math.max(0, Math.ceil(leftMs)))
  else if (leftMs <= exactMs) setImmediate(wake)
  else timer = setTimeout(wake, openLegs.length > 0 && leftMs > readEveryMs + exactMs ? readEveryMs : Math.floor(leftMs - 1.5))
}

function mixDue(): void {
  if (shuttingDown) return
  const begun = nowMs()
  udp.poll(frameReadBudgetMs)
  const lateMs = begun - dueMs
  // More than one packet of each leg is waiting.
  if (lateMs >= frameMs) udp.poll(frameReadBudgetMs)
  lateness[ticks % lateness.length] = Math.max(0, lateMs)
  const missed = Math.max(0, Math.floor(lateMs / frameMs))
  if (missed > 0) overruns++
  const express = lane !== null && lane.conferences === openConferences.length
  const left = missed + 1 - pace.frames(missed + 1, express)
  const mixing = nowMs()
  for (let frame = left; frame <= missed; frame++) {
    // Frames are mixed as of the time for which they were due: that the thread was late is no delay of the packets'.
    const frameDueMs = dueMs + frameMs * frame
    const leftOut = frame === left ? left : 0
    lane?.tick(frameDueMs, begun, nativeLayer!.wallOffsetMs, leftOut)
    for (let n = 0; n < openConferences.length; n++) {
      const { mixer, parties, sockets } = openConferences[n]!
      if (mixer.lent) continue
      udp.turn(sockets, missed)
      if (leftOut > 0) for (let p = 0; p < parties.length; p++) parties[p]!.leg.skip(leftOut)
      mixer.tick(frameDueMs)
    }
  }
  pace.took(nowMs() - mixing, missed + 1 - left)
  dueMs += frameMs * (missed + 1)
  attend(begun)
  udp.flush()
  if (lane !== null) considerLane(lane)
  for (let n = ticks % watchEvery; n < openLegs.length; n += watchEvery) openLegs[n]!.leg.watch(begun, economy.level)
  const ended = nowMs()
  work[ticks % work.length] = ended - begun
  economy.took((ended - begun) / (missed + 1 - left))
  ticks++
  sleepOn()
}

function quantile(values: Float64Array, q: number): number {
  const sorted = values.slice(0, Math.min(ticks, values.length)).sort()
  return Math.round((sorted[Math.floor(q * (sorted.length - 1))] ?? 0) * 1000) / 1000
}

const collections = { maxMs: 0, count: 0 }
const observer = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    collections.count++
    collections.maxMs = Math.max(collections.maxMs, duration)
  }
})
observer.observe({ entryTypes: ['gc'] })

function metrics(): WorkerMetrics {
  const received = { ...gone.received }
  const sent = { ...gone.sent }
  let strangers = gone.strangers
  for (const { leg } of openLegs) {
    const traffic = leg.traffic()
    add(received, traffic.received)
    add(sent, traffic.sent)
    strangers += leg.strangers
  }
  const { user, system } = process.threadCpuUsage()
  const gcMaxMs = collections.maxMs
  collections.maxMs = 0
  return {
    legs: legs.size,
    conferences: conferences.size,
    ticks,
    overruns,
    lateP50Ms: quantile(lateness, 0.5),
    lateP99Ms: quantile(lateness, 0.99),
    workP99Ms: quantile(work, 0.99),
    received,
    sent,
    strangers,
    cpuMs: (user + system) / 1000,
    gcMaxMs,
    gcPauses: collections.count,
    express: lane?.carried ?? 0,
    economy: economy.level,
    udp: udp.name,
    kernel: kernel.name
  }
}

const noStats: WorkerMetricsPart = {
  codec: null,
  received: emptyCounts(),
  sent: emptyCounts(),
  jitterMs: 0,
  lost: 0,
  roundTripMs: null,
  encrypted: false,
  ice: null,
  quality: null
}

function take(message: ToWorker): void {
  switch (message.type) {
    case 'open':
      void open(message)
      return
    case 'agree':
      agree(message.leg, message.terms)
      return
    case 'control': {
      const opened = legs.get(message.leg)
      opened?.conference.mixer.control(opened.member, message.controls)
      return
    }
    case 'press':
      legs.get(message.leg)?.leg.press(message.digit, message.durationMs)
      return
    case 'beyond':
      legs.get(message.leg)?.leg.tellBeyond(message.way)
      return
    case 'play':
      play(message)
      return
    case 'record':
      record(message)
      return
    case 'recordLeg':
      recordLeg(message)
      return
    case 'stats':
      tell({ type: 'stats', request: message.request, stats: legs.get(message.leg)?.leg.stats() ?? noStats })
      return
    case 'close':
      tell({ type: 'stats', request: message.request, stats: close(message.leg) ?? noStats })
      return
    case 'metrics':
      tell({ type: 'metrics', request: message.request, metrics: metrics() })
      return
    case 'shutdown':
      shuttingDown = true
      clearTimeout(timer)
      for (const id of [...legs.keys()]) close(id)
      udp.close()
      observer.disconnect()
      setImmediate(() => port.close())
  }
}

port.on('message', (messages: readonly ToWorker[]) => {
  for (const message of messages) take(message)
})

sleepOn()
tell({ type: 'ready', descriptor: udp.descriptor })
