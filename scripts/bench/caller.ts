/** The calling side, in a process of its own so that it shares no event loop with the suite. Takes orders from `load.ts`. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LoadPhone, type LoadUser, openLoadPhone } from './load-phone.ts'

export interface LoadSettings {
  readonly port: number
  readonly ca: string
  readonly users: readonly LoadUser[]
  readonly dialled: readonly string[]
  /** TLS connections; calls take them in turn. */
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

export interface LoadResult {
  readonly setupMs: readonly number[]
  readonly authenticatedMs: readonly number[]
  readonly challengeMs: readonly number[]
  /** How late calls were begun, by what is due to this process. */
  readonly lateMs: readonly number[]
  /** Reason → calls. */
  readonly failures: Readonly<Record<string, number>>
}

export type ToCaller =
  | { readonly type: 'open'; readonly settings: LoadSettings }
  | { readonly type: 'run'; readonly block: LoadBlock }
export type FromCaller =
  | { readonly type: 'opened' }
  | { readonly type: 'result'; readonly result: LoadResult }
  | { readonly type: 'error'; readonly message: string }

interface Opened {
  readonly settings: LoadSettings
  readonly phones: readonly LoadPhone[]
  readonly ear: Socket
  readonly sdp: string
}

async function open(settings: LoadSettings): Promise<Opened> {
  const ear = createSocket('udp4').bind(0, '127.0.0.1')
  await once(ear, 'listening')
  const phones = await Promise.all(Array.from({ length: settings.connections }, () => openLoadPhone(settings.port, settings.ca)))
  const sdp = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${ear.address().port} RTP/AVP 0 8 101`,
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    ''
  ].join('\r\n')
  return { settings, phones, ear, sdp }
}

let made = 0

async function run({ settings, phones, sdp }: Opened, { calls, rate, spacing }: LoadBlock): Promise<LoadResult> {
  const { users, dialled, holdMs, timeoutMs } = settings
  const lateMs: number[] = []
  const outcomes: ReturnType<LoadPhone['call']>[] = []
  let dueMs = performance.now()
  for (let n = 0; n < calls; n++) {
    dueMs += (1000 / rate) * (spacing === 'even' ? 1 : -Math.log(1 - Math.random()))
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    lateMs.push(Math.max(0, performance.now() - dueMs))
    const user = users[made % users.length]!
    const where = dialled[made % dialled.length]!
    outcomes.push(phones[made % phones.length]!.call({ user, dialled: where, sdp, holdMs, timeoutMs }))
    made++
  }
  const done = await Promise.all(outcomes)
  const succeeded = done.filter((outcome) => outcome.ok)
  const failures: Record<string, number> = {}
  for (const outcome of done) if (!outcome.ok) failures[outcome.reason] = (failures[outcome.reason] ?? 0) + 1
  return {
    setupMs: succeeded.map((each) => each.setupMs),
    authenticatedMs: succeeded.map((each) => each.authenticatedMs),
    challengeMs: succeeded.map((each) => each.challengeMs),
    lateMs,
    failures
  }
}

let opened: Opened | null = null
const tell = (message: FromCaller) => process.send?.(message)

async function obey(order: ToCaller): Promise<void> {
  if (order.type === 'open') {
    opened = await open(order.settings)
    tell({ type: 'opened' })
  } else if (opened !== null) tell({ type: 'result', result: await run(opened, order.block) })
}

process.on('message', (order: ToCaller) => {
  obey(order).catch((error: unknown) => tell({ type: 'error', message: error instanceof Error ? error.message : String(error) }))
})
process.on('disconnect', () => process.exit())
