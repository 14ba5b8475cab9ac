import type { SuiteEvent } from '#suite'
import { type Output, printable } from '../show/output.ts'

/** How an event is shown: `good` and `bad` are marked on a terminal. */
export interface EventLine {
  readonly text: string
  readonly tone: 'good' | 'bad' | 'plain'
}

const colours = { good: 'green', bad: 'red', plain: 'dim' } as const

/** Writes an event as the command was asked to: a line for people, or an object. */
export function showEvent(event: SuiteEvent, output: Output): void {
  if (output.json) return void output.document(event)
  const described = describeEvent(event)
  if (described !== null) void output.line(output.paint(colours[described.tone], described.text))
}

/** An event of the suite as a line for people; null for what would only be noise. Text that callers brought is made printable. */
export function describeEvent(event: SuiteEvent): EventLine | null {
  const line = (tone: EventLine['tone'], words: string): EventLine => ({
    tone,
    text: `${clockTime(event.at)}  ${printable(words)}`
  })
  switch (event.type) {
    case 'part': {
      const detail = event.detail === null ? '' : ` (${event.detail})`
      return line(event.state === 'lost' ? 'bad' : 'plain', `${event.part} ${event.state}${detail}`)
    }
    case 'registry':
      return event.ok
        ? line('plain', `registry loaded, ${event.parties} parties`)
        : line('bad', `registry refused, the one before stays: ${event.problems.join('; ')}`)
    case 'rules':
      return event.ok
        ? line('plain', `rules of IF.guard changed to ${event.hash.slice(0, 16)}`)
        : line('bad', `rules of IF.guard refused, those before stay: ${event.problems.join('; ')}`)
    case 'recording':
      return event.state === 'started'
        ? line('plain', `${event.conference} is being recorded: ${event.recording}`)
        : line(
            event.state === 'failed' ? 'bad' : 'plain',
            `recording ${event.recording} ${event.state} after ${event.seconds} s: ${event.reason}`
          )
    case 'call-bridge': {
      const { traceId, bridge, target, state, skipped, reason } = event
      if (skipped !== null) return null
      const tone = state === 'ACTIVE' ? 'good' : state === 'DEGRADED' || state === 'FAILED' ? 'bad' : 'plain'
      const [to, why] = [target === null ? '' : ` to ${target}`, reason === null ? '' : ` (${reason})`]
      return line(tone, `${call(traceId)} ${bridge}${to} ${state}${why}`)
    }
    case 'warning':
      return line('bad', `${event.message} (${event.code})`)
    case 'signalling':
      return line(
        event.state === 'lost' ? 'bad' : 'plain',
        `application ${event.state === 'lost' ? 'lost' : 'reached'} its SIP server`
      )
    case 'edge-refused':
      return line(
        'bad',
        `edge refused ${event.count > 1 ? `${event.count} requests` : event.method} of ${event.source} at layer ${event.layer}: ${event.code}`
      )
    case 'ringing':
    case 'bridge':
      return null
    case 'received':
      return line(
        'plain',
        `${call(event.traceId)} ${event.fromUri} dials ${event.toUri}${event.hazard === null ? '' : ` about ${event.hazard}`}`
      )
    case 'calling':
      return line('plain', `${call(event.traceId)} calls ${event.toUri} into ${event.conference} about ${event.hazard}`)
    case 'decided':
      return line(
        event.verdict === 'approve' ? 'good' : 'bad',
        `${call(event.traceId)} IF.guard: ${event.verdict}, ${event.code}`
      )
    case 'answered':
      return line('good', `${call(event.traceId)} answered after ${event.setupMs.toFixed(0)} ms`)
    case 'established':
      return line('good', `${call(event.traceId)} ${event.participant} is in ${event.conference}, ${event.codec ?? 'no codec'}`)
    case 'key':
      return line('plain', `${call(event.traceId)} key ${event.digit}`)
    case 'strangers':
      return line('bad', `${call(event.traceId)} ${event.packets} RTP packets of strangers dropped`)
    case 'rejected':
      return line(
        'bad',
        `${call(event.traceId)} rejected with ${event.status}${event.layer === null ? '' : ` at layer ${event.layer}`}: ${event.code}`
      )
    case 'ended':
      return line(
        'plain',
        `${call(event.traceId)} ended by ${event.by} after ${(event.durationMs / 1_000).toFixed(1)} s: ${event.reason}`
      )
  }
}

const call = (traceId: string): string => `[${traceId.slice(0, 8)}]`

/** Time of day, UTC, as the ledger shows it. */
function clockTime(at: number): string {
  return new Date(at).toISOString().slice(11, 23)
}
