/** What `npm run capacity` does to the suite, one stage after the other. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LoadResult } from './caller.ts'
import type { LoadedSuite } from './capacity-suite.ts'
import type { Load } from './load.ts'
import type { LoadUser } from './load-phone.ts'
import { type Summary, summarise } from './report.ts'
import { codecNamed, openPhones, startSound, talk } from './testing/sound.ts'
import { cpuMsOfAll, machineCpuMs } from './usage.ts'

const quietWithinMs = 30_000
/** Participants of a conference: an expert and the Guardians who hear him. */
const together = 3
/** Every so many phones one listens: the load shares the machine with what it measures. */
const listenEvery = 7
const buildUpRate = 60

const failedOf = ({ failures }: LoadResult): number => Object.values(failures).reduce((sum, n) => sum + n, 0)

/** Waits until no call is left and everything told is in the ledger. */
async function quiet({ suite }: LoadedSuite): Promise<void> {
  const deadline = performance.now() + quietWithinMs
  while (suite.status().calls.length > 0 && performance.now() < deadline) await sleep(50)
  await suite.inside.witness.flush(quietWithinMs)
}

/** Calls that fail for the first seconds of a runtime are not what callers meet. */
export async function warmUp(suite: LoadedSuite): Promise<void> {
  for (const transport of ['udp', 'tls'] as const) {
    const load = await suite.call({ transport, holdMs: 200 })
    await load.run({ calls: 300, rate: 100, spacing: 'even' })
    await load.close()
  }
  await quiet(suite)
}

export interface CallsFigures {
  readonly concurrent: number
  readonly seconds: number
  readonly failed: number
  readonly failures: Readonly<Record<string, number>>
  readonly setup: Summary
  readonly lateFramesPpm: number
  readonly framesSeen: number
  readonly cpuMsPerCallSecond: number
  /** Of the suite and Kamailio together, and of the phones. */
  readonly cores: number
  readonly loadCores: number
  readonly kbPerCall: number
  readonly fdsPerCall: number
  readonly entriesPerCall: number
  readonly tickLateP99Ms: number
  /** Descriptors and memory more than before the first call, when all are over. */
  readonly leftFds: number
  readonly leftKb: number
}

/** Calls with sound both ways through edge, application and mixer, all at once for a time. */
export async function concurrentCalls(loaded: LoadedSuite, calls: number, seconds: number): Promise<CallsFigures> {
  const { suite, usage, pids } = loaded
  const codec = codecNamed('PCMU')!
  const sound = startSound()
  const load = await loaded.call({ transport: 'udp', conferences: Math.ceil(calls / together), timeoutMs: 20_000 })
  try {
    const phones = await openPhones(sound, calls, listenEvery)
    globalThis.gc?.()
    const before = usage()
    const entriesBefore = suite.status().ledger.size
    const ports = await load.gather({ ports: phones, rate: buildUpRate, together })
    const concurrent = suite.status().calls.length
    let cpuBefore = 0
    let beganMs = 0
    // a call that failed has nowhere to send to: its phone sends to the discard port, and counts as failed
    const destinations = ports.map((port) => port ?? 9)
    const heard = await talk(sound, codec, 0, destinations, seconds, () => {
      cpuBefore = cpuMsOfAll(pids())
      beganMs = performance.now()
    })
    const tookMs = performance.now() - beganMs
    const cpuMs = cpuMsOfAll(pids()) - cpuBefore
    const during = usage()
    const { lateP99Ms } = await suite.inside.media.metrics()
    const upToTheEnd = suite.status().calls.length
    const result = await load.release()
    await quiet(loaded)
    await sleep(1000)
    globalThis.gc?.()
    const after = usage()
    const expected = heard.listeners * seconds * 50
    return {
      concurrent: Math.min(concurrent, upToTheEnd),
      seconds,
      failed: failedOf(result),
      failures: result.failures,
      setup: summarise(result.setupMs),
      lateFramesPpm: ((heard.late + heard.missing + Math.max(0, expected - heard.received - heard.missing)) / expected) * 1e6,
      framesSeen: heard.received,
      cpuMsPerCallSecond: cpuMs / calls / (tookMs / 1000),
      cores: cpuMs / tookMs,
      loadCores: heard.cpuMs / 1000 / seconds,
      kbPerCall: (during.kb - before.kb) / calls,
      fdsPerCall: (during.fds - before.fds) / calls,
      entriesPerCall: (suite.status().ledger.size - entriesBefore) / calls,
      tickLateP99Ms: lateP99Ms,
      leftFds: after.fds - before.fds,
      leftKb: after.kb - before.kb
    }
  } finally {
    sound.kill()
    await load.close()
  }
}

export interface RateFigures {
  readonly setup: Summary
  readonly begunLate: Summary
  readonly failed: number
  readonly failures: Readonly<Record<string, number>>
  /** Processor time of suite and Kamailio for a call that was answered and ended, milliseconds. */
  readonly cpuMsPerCall: number
  /** Processor time by the clock that others than suite, Kamailio and callers had meanwhile: figures of another hour compare where it is near 0. */
  readonly othersCores: number
  /** Likewise the callers' own. */
  readonly loadCores: number
}

/** Calls at a rate, each a second long. */
export async function callRate(
  loaded: LoadedSuite,
  transport: 'tls' | 'udp',
  rate: number,
  seconds: number
): Promise<RateFigures> {
  const load = await loaded.call({ transport })
  try {
    await load.run({ calls: rate, rate, spacing: 'even' })
    await quiet(loaded)
    const usedMs = () => ({
      atMs: performance.now(),
      suite: cpuMsOfAll(loaded.pids()),
      load: cpuMsOfAll([load.pid]),
      machine: machineCpuMs()
    })
    const before = usedMs()
    const result = await load.run({ calls: rate * seconds, rate, spacing: 'poisson' })
    await quiet(loaded)
    const after = usedMs()
    const [suiteMs, loadMs, machineMs, tookMs] = [
      after.suite - before.suite,
      after.load - before.load,
      after.machine - before.machine,
      after.atMs - before.atMs
    ]
    const answered = result.setupMs.length
    return {
      setup: summarise(result.setupMs),
      begunLate: summarise(result.lateMs),
      failed: failedOf(result),
      failures: result.failures,
      cpuMsPerCall: suiteMs / Math.max(1, answered),
      othersCores: (machineMs - suiteMs - loadMs) / tookMs,
      loadCores: loadMs / tookMs
    }
  } finally {
    await load.close()
  }
}

export interface FloodFigures {
  readonly offered: number
  readonly accepted: number
  /** Share of accepted calls that were answered, stayed up and ended as they should. */
  readonly whole: number
  /** From the end of the flood to that of the last half second in which more than a tenth of the calls were slower than `normalMs` or failed. */
  readonly recoveryMs: number
  readonly refused: Readonly<Record<string, number>>
}

const afterFloodRate = 50
const afterFloodSeconds = 6
/** One slow call is what a busy machine does; a span with many is what the flood left behind. */
const spanMs = 500
const callsOfSpan = (afterFloodRate * spanMs) / 1000

/** More calls than can be carried, all with good credentials. @param normalMs set-up time that is normal */
export async function flood(loaded: LoadedSuite, rate: number, seconds: number, normalMs: number): Promise<FloodFigures> {
  const [flooding, honest] = [
    await loaded.call({ transport: 'udp', holdMs: 500, timeoutMs: 10_000 }),
    await loaded.call({ transport: 'udp', holdMs: 200, timeoutMs: 10_000 })
  ]
  try {
    const beganMs = performance.now()
    const flooded = flooding.run({ calls: rate * seconds, rate, spacing: 'even' })
    await sleep(seconds * 1000 - (performance.now() - beganMs))
    const after = await honest.run({ calls: afterFloodRate * afterFloodSeconds, rate: afterFloodRate, spacing: 'even' })
    const result = await flooded
    await quiet(loaded)
    const accepted = result.setupMs.length + result.broken
    const spans = Array.from({ length: after.inOrderMs.length / callsOfSpan }, (_, n) =>
      after.inOrderMs.slice(n * callsOfSpan, (n + 1) * callsOfSpan)
    )
    const lastSlow = spans.findLastIndex((span) => span.filter((ms) => ms === null || ms > normalMs).length > span.length / 10)
    return {
      offered: rate * seconds,
      accepted,
      whole: accepted === 0 ? Number.NaN : 1 - result.broken / accepted,
      recoveryMs: (lastSlow + 1) * spanMs,
      refused: result.failures
    }
  } finally {
    await flooding.close()
    await honest.close()
  }
}

export interface InvalidFigures {
  readonly kind: string
  readonly requests: number
  readonly cpuMsEach: number
}

const invalidRate = 200

/** What kinds of callers who are refused cost, in processor time of suite and Kamailio. */
export async function invalidTraffic(loaded: LoadedSuite, seconds: number): Promise<readonly InvalidFigures[]> {
  const found: InvalidFigures[] = []
  const requests = invalidRate * seconds
  const measure = async (kind: string, work: () => Promise<unknown>) => {
    await quiet(loaded)
    const before = cpuMsOfAll(loaded.pids())
    await work()
    await quiet(loaded)
    found.push({ kind, requests, cpuMsEach: (cpuMsOfAll(loaded.pids()) - before) / requests })
  }
  const { port } = loaded.suite.addresses.udp!
  await measure('scanner by its name', () => shoot(port, requests, scannerInvite))
  await measure('malformed', () => shoot(port, requests, malformedInvite))
  await measure('no credentials', () => shoot(port, requests, plainInvite))
  const kinds: readonly [string, readonly LoadUser[]][] = [
    ['wrong password', loaded.users.map((user) => ({ ...user, password: 'wrong' }))],
    ['forged signature', [{ ...loaded.signer, forges: true }]]
  ]
  for (const [kind, users] of kinds) {
    const load: Load = await loaded.call({ transport: 'udp', users })
    await measure(kind, async () => {
      const result = await load.run({ calls: requests, rate: invalidRate, spacing: 'even' })
      if (result.setupMs.length > 0) throw new Error(`${kind}: ${result.setupMs.length} were answered`)
    })
    await load.close()
  }
  return found
}

const invite = (n: number, more: string, callId = `Call-ID: invalid-${process.pid}-${n}\r\n`) =>
  `INVITE sip:council0-safety@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKinvalid${process.pid}x${n}\r\n` +
  `Max-Forwards: 70\r\nFrom: <sip:expert-0@external.advisor>;tag=${n}\r\nTo: <sip:council0-safety@127.0.0.1>\r\n${callId}CSeq: 1 INVITE\r\n` +
  `Contact: <sip:expert-0@127.0.0.1:9>\r\n${more}Content-Length: 0\r\n\r\n`
const scannerInvite = (n: number) => invite(n, 'User-Agent: friendly-scanner\r\n')
const malformedInvite = (n: number) => invite(n, '', '')
const plainInvite = (n: number) => invite(n, '')

/** Datagrams of a caller who does not care for answers. */
async function shoot(port: number, requests: number, text: (n: number) => string): Promise<void> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.on('message', () => undefined)
  const beganMs = performance.now()
  for (let n = 0; n < requests; n++) {
    const waitMs = beganMs + (n * 1000) / invalidRate - performance.now()
    if (waitMs > 1) await sleep(waitMs)
    socket.send(text(n), port, '127.0.0.1')
  }
  await sleep(200)
  socket.close()
}
