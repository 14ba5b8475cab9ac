/**
 * The media thread: sockets, jitter buffers, mixers and the 20 ms tick. The main thread only says who takes part.
 */
import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { type DirectionStats, InfraFabricError } from '#kernel'
import type { FromWorker, ToWorker, WorkerMetrics, WorkerSettings } from './control.ts'
import type { Endpoint } from './latch.ts'
import { frameMs, Leg } from './leg.ts'
import { Mix } from './mixer/mixer.ts'
import { type PortPair, PortPool } from './ports.ts'

const settings = workerData as WorkerSettings
const port = parentPort!
const tell = (message: FromWorker) => port.postMessage(message)

/** Samples a second in the mixer: what the codecs of today have in common. */
const mixRateHz = 8000
const frameSamples = (mixRateHz * frameMs) / 1000
/** Frames mixed at once after a pause of the thread; what is missed beyond that is left out. */
const largestCatchUp = 3
const cname = `${randomBytes(8).toString('hex')}@conference`

interface OpenLeg {
  readonly leg: Leg
  readonly pair: PortPair
  readonly conference: string
  readonly speaks: boolean
  sounding: boolean
  reportDueMs: number
}

interface Conference {
  readonly mix: Mix
  readonly legs: Set<OpenLeg>
}

const pool = new PortPool(settings.address, settings.portRange)
const legs = new Map<number, OpenLeg>()
const conferences = new Map<string, Conference>()
const heard = new Int16Array(frameSamples)
const gone = { received: emptyCounts(), sent: emptyCounts(), strangers: 0 }
const nowMs = () => performance.now()

function emptyCounts(): { -readonly [key in keyof DirectionStats]: number } {
  return { packets: 0, bytes: 0, errors: 0, dropped: 0 }
}

/** Reports go out at random times around the interval, so that participants do not speak at once. @see RFC 3550 §6.3.1 */
const nextReportMs = (now: number) => now + settings.reportIntervalMs * (0.5 + Math.random())

let shuttingDown = false

async function open({ leg: id, conference: name, speaks }: Extract<ToWorker, { type: 'open' }>): Promise<void> {
  let pair: PortPair
  try {
    pair = await pool.take()
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
  const leg = new Leg(
    frameSamples,
    { ...settings, cname },
    {
      sendRtp: (packet, to) => rtp.send(packet, to.port, to.address, ignore),
      sendRtcp: (packet, to, muxed) => (muxed ? rtp : rtcp).send(packet, to.port, to.address, ignore),
      digit: (digit, durationMs) => tell({ type: 'dtmf', leg: id, digit, durationMs }),
      silent: (silentMs) => tell({ type: 'mediaTimeout', leg: id, silentMs }),
      strangers: (packets) => tell({ type: 'strangers', leg: id, packets })
    }
  )
  const opened: OpenLeg = { leg, pair, conference: name, speaks, sounding: false, reportDueMs: nextReportMs(nowMs()) }
  const loops = (source: Endpoint) => source.address === settings.address && pool.holds(source.port)
  rtp.on('message', (packet, source) => {
    if (loops(source)) leg.stranger()
    else if (isControl(packet)) leg.receiveControl(packet, source, nowMs(), Date.now())
    else leg.receive(packet, source, nowMs())
  })
  rtcp.on('message', (packet, source) => {
    if (loops(source)) leg.stranger()
    else leg.receiveControl(packet, source, nowMs(), Date.now())
  })
  legs.set(id, opened)
  let conference = conferences.get(name)
  if (conference === undefined) {
    conference = { mix: new Mix(frameSamples), legs: new Set() }
    conferences.set(name, conference)
  }
  conference.legs.add(opened)
  tell({ type: 'opened', leg: id, port: pair.port })
}

/** A send that fails (an unreachable port, a full queue) is the network's business: the stream goes on. */
function ignore(): void {}

/** Tells RTCP from RTP on one port by the packet type. @see RFC 5761 §4 */
function isControl(packet: Buffer): boolean {
  return packet.length > 1 && packet[1]! >= 192 && packet[1]! <= 223
}

function close(id: number): OpenLeg | undefined {
  const opened = legs.get(id)
  if (opened === undefined) return undefined
  opened.leg.report(nowMs(), Date.now(), true)
  legs.delete(id)
  const conference = conferences.get(opened.conference)!
  conference.legs.delete(opened)
  if (conference.legs.size === 0) conferences.delete(opened.conference)
  const { received, sent } = opened.leg.stats()
  add(gone.received, received)
  add(gone.sent, sent)
  gone.strangers += opened.leg.strangers
  setImmediate(() => pool.free(opened.pair))
  return opened
}

function add(sum: ReturnType<typeof emptyCounts>, part: DirectionStats): void {
  sum.packets += part.packets
  sum.bytes += part.bytes
  sum.errors += part.errors
  sum.dropped += part.dropped
}

function mixAll(now: number): void {
  for (const { mix, legs: members } of conferences.values()) {
    mix.clear()
    for (const member of members) {
      member.sounding = member.leg.pull(now) && member.speaks
      if (member.sounding) mix.add(member.leg.frame)
    }
    for (const { leg, sounding } of members) {
      mix.without(sounding ? leg.frame : null, heard)
      leg.push(heard)
    }
  }
}

const lateness = new Float64Array(1024)
const work = new Float64Array(1024)
let ticks = 0
let overruns = 0
let dueMs = nowMs() + frameMs
let tickTimer: NodeJS.Timeout

/** After a stall the packets that waited in the sockets are read before their time is mixed. */
function tick(): void {
  if (nowMs() - dueMs < frameMs) mixDue()
  else setImmediate(mixDue)
}

function mixDue(): void {
  if (shuttingDown) return
  const begun = nowMs()
  const lateMs = begun - dueMs
  lateness[ticks % lateness.length] = Math.max(0, lateMs)
  const missed = Math.max(0, Math.floor(lateMs / frameMs))
  if (missed > 0) overruns++
  const left = Math.max(0, missed + 1 - largestCatchUp)
  if (left > 0) for (const { leg } of legs.values()) leg.skip(left)
  for (let frame = missed - left; frame >= 0; frame--) mixAll(begun)
  dueMs += frameMs * (missed + 1)
  for (const opened of legs.values()) {
    if (begun < opened.reportDueMs) continue
    opened.reportDueMs = nextReportMs(begun)
    opened.leg.report(begun, Date.now(), false)
  }
  if (ticks % (1000 / frameMs) === 0) for (const { leg } of legs.values()) leg.watch(begun)
  const ended = nowMs()
  work[ticks % work.length] = ended - begun
  ticks++
  tickTimer = setTimeout(tick, Math.max(0, Math.ceil(dueMs - ended)))
}

function quantile(values: Float64Array, q: number): number {
  const sorted = values.slice(0, Math.min(ticks, values.length)).sort()
  return Math.round((sorted[Math.floor(q * (sorted.length - 1))] ?? 0) * 1000) / 1000
}

function metrics(): WorkerMetrics {
  const received = { ...gone.received }
  const sent = { ...gone.sent }
  let strangers = gone.strangers
  for (const { leg } of legs.values()) {
    const stats = leg.stats()
    add(received, stats.received)
    add(sent, stats.sent)
    strangers += leg.strangers
  }
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
    strangers
  }
}

const noStats = new Leg(
  frameSamples,
  { ...settings, cname },
  { sendRtp: ignore, sendRtcp: ignore, digit: ignore, silent: ignore, strangers: ignore }
)

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'open':
      void open(message)
      return
    case 'agree':
      legs.get(message.leg)?.leg.agree(message.terms, nowMs())
      return
    case 'stats':
      tell({ type: 'stats', request: message.request, stats: (legs.get(message.leg)?.leg ?? noStats).stats() })
      return
    case 'close':
      tell({ type: 'stats', request: message.request, stats: (close(message.leg)?.leg ?? noStats).stats() })
      return
    case 'metrics':
      tell({ type: 'metrics', request: message.request, metrics: metrics() })
      return
    case 'shutdown':
      shuttingDown = true
      clearTimeout(tickTimer)
      for (const id of [...legs.keys()]) close(id)
      setImmediate(() => port.close())
  }
})

tickTimer = setTimeout(tick, frameMs)
tell({ type: 'ready' })
