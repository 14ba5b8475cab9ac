/** The calling side, in a process of its own so that it shares no event loop with the suite. Takes orders from `load.ts`. */

import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '#kernel'
import { type LoadPhone, type LoadUser, openLoadPhone } from './load-phone.ts'
import { type Ear, openEar } from './testing/ear.ts'

export interface LoadSettings {
  readonly port: number
  /** Null for UDP. */
  readonly ca: string | null
  readonly users: readonly LoadUser[]
  readonly dialled: readonly string[]
  /** TLS connections or UDP sockets; calls take them in turn. */
  readonly connections: number
  readonly holdMs: number
  readonly timeoutMs: number
}

export interface LoadBlock {
  readonly calls: number
  /** Calls begun in a second, whatever becomes of those before. */
  readonly rate: number
  /** `poisson`: exponential gaps, as callers are who know nothing of each other. */
  readonly spacing: 'even' | 'poisson'
}

/** Calls that stay up until they are let go. */
export interface LoadCrowd {
  /** A call for each: its RTP port. */
  readonly ports: readonly number[]
  readonly rate: number
  /** So many calls in a row go to the same place. */
  readonly together: number
}

export interface LoadResult {
  readonly setupMs: readonly number[]
  readonly authenticatedMs: readonly number[]
  readonly challengeMs: readonly number[]
  /** Of every call in the order in which they were begun; null for one that failed. */
  readonly inOrderMs: readonly (number | null)[]
  /** Calls that had been answered and still failed. */
  readonly broken: number
  /** How late calls were begun, by what is due to this process. */
  readonly lateMs: readonly number[]
  /** Reason → calls. */
  readonly failures: Readonly<Record<string, number>>
}

export type ToCaller =
  | { readonly type: 'open'; readonly settings: LoadSettings }
  | { readonly type: 'run'; readonly block: LoadBlock }
  | { readonly type: 'gather'; readonly crowd: LoadCrowd }
  | { readonly type: 'release' }
export type FromCaller =
  | { readonly type: 'opened' }
  | { readonly type: 'result'; readonly result: LoadResult }
  /** Where each call of a crowd is to send its sound; null for one that was not answered. */
  | { readonly type: 'gathered'; readonly ports: readonly (number | null)[] }
  | { readonly type: 'error'; readonly message: string }

interface Opened {
  readonly settings: LoadSettings
  readonly phones: readonly LoadPhone[]
  /** Where every call's sound goes. */
  readonly ear: Ear
  readonly sdp: string
}

const offer = (port: number): string =>
  [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 0 8 101`,
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    ''
  ].join('\r\n')

async function open(settings: LoadSettings): Promise<Opened> {
  const ear = await openEar()
  const phones = await Promise.all(Array.from({ length: settings.connections }, () => openLoadPhone(settings.port, settings.ca)))
  return { settings, phones, ear, sdp: offer(ear.port) }
}

let made = 0
type Outcome = Awaited<ReturnType<LoadPhone['call']>>
/** Calls of a crowd that are up. */
let crowd: {
  readonly lateMs: readonly number[]
  readonly outcomes: readonly Promise<Outcome>[]
  readonly release: () => void
} | null = null

/** Begins calls at a rate, whatever becomes of those before. @returns how late each was begun */
async function begin(calls: number, rate: number, spacing: LoadBlock['spacing'], call: (n: number) => void): Promise<number[]> {
  const lateMs: number[] = []
  let dueMs = performance.now()
  for (let n = 0; n < calls; n++) {
    dueMs += (1000 / rate) * (spacing === 'even' ? 1 : -Math.log(1 - Math.random()))
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    lateMs.push(Math.max(0, performance.now() - dueMs))
    call(n)
    made++
  }
  return lateMs
}

async function resultOf(lateMs: readonly number[], outcomes: readonly Promise<Outcome>[]): Promise<LoadResult> {
  const done = await Promise.all(outcomes)
  const succeeded = done.filter((outcome) => outcome.ok)
  const failures: Record<string, number> = {}
  for (const outcome of done) if (!outcome.ok) failures[outcome.reason] = (failures[outcome.reason] ?? 0) + 1
  return {
    setupMs: succeeded.map((each) => each.setupMs),
    authenticatedMs: succeeded.map((each) => each.authenticatedMs),
    challengeMs: succeeded.map((each) => each.challengeMs),
    inOrderMs: done.map((each) => (each.ok ? each.setupMs : null)),
    broken: done.filter((each) => !each.ok && each.accepted).length,
    lateMs,
    failures
  }
}

async function run({ settings, phones, sdp }: Opened, { calls, rate, spacing }: LoadBlock): Promise<LoadResult> {
  const { users, dialled, holdMs, timeoutMs } = settings
  const outcomes: Promise<Outcome>[] = []
  const lateMs = await begin(calls, rate, spacing, () => {
    const user = users[made % users.length]!
    const where = dialled[made % dialled.length]!
    outcomes.push(phones[made % phones.length]!.call({ user, dialled: where, sdp, hold: () => sleep(holdMs), timeoutMs }))
  })
  return resultOf(lateMs, outcomes)
}

/** @returns ports of the answers, when every call is answered or has failed */
async function gather({ settings, phones }: Opened, { ports, rate, together }: LoadCrowd): Promise<(number | null)[]> {
  const { users, dialled, timeoutMs } = settings
  const released = Promise.withResolvers<void>()
  const outcomes: Promise<Outcome>[] = []
  const answers: Promise<number | null>[] = []
  const lateMs = await begin(ports.length, rate, 'even', (n) => {
    const answered = Promise.withResolvers<number | null>()
    const hold = (sdp: string) => {
      answered.resolve(Number(/^m=audio (\d+)/m.exec(sdp)?.[1] ?? 0) || null)
      return released.promise
    }
    const [user, where] = [users[made % users.length]!, dialled[Math.floor(n / together) % dialled.length]!]
    const outcome = phones[made % phones.length]!.call({ user, dialled: where, sdp: offer(ports[n]!), hold, timeoutMs })
    answers.push(answered.promise)
    outcomes.push(outcome.finally(() => answered.resolve(null)))
  })
  crowd = { lateMs, outcomes, release: released.resolve }
  return Promise.all(answers)
}

let opened: Opened | null = null
const tell = (message: FromCaller) => process.send?.(message)

async function obey(order: ToCaller): Promise<void> {
  if (order.type === 'open') {
    opened = await open(order.settings)
    tell({ type: 'opened' })
  } else if (order.type === 'release') {
    if (crowd === null) throw new Error('nobody is gathered')
    crowd.release()
    tell({ type: 'result', result: await resultOf(crowd.lateMs, crowd.outcomes) })
    crowd = null
  } else if (opened === null) throw new Error('not open')
  else if (order.type === 'gather') tell({ type: 'gathered', ports: await gather(opened, order.crowd) })
  else tell({ type: 'result', result: await run(opened, order.block) })
}

process.on('message', (order: ToCaller) => {
  obey(order).catch((error: unknown) => tell({ type: 'error', message: messageOf(error) }))
})
process.on('disconnect', () => process.exit())
