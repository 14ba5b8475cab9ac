import { parseAddress, tagOf } from '../codec/address.ts'
import { parseRAck } from '../codec/cseq.ts'
import { header, type SipResponse } from '../codec/message.ts'
import type { ReceivedRequest } from '../transaction/received.ts'
import { createMemory } from './memory.ts'
import { numberThrough } from './rseq.ts'
import type { ProxyParts, Running } from './running.ts'

/** Numbers of reliable provisional responses, as the caller sees them and as the forks do. */
export interface RackNumbers {
  /** RSeq under which a response goes back. */
  readonly rseqFor: (running: Running, response: SipResponse) => number | undefined
  /** RAck of a PRACK as the fork knows it. */
  readonly rackFor: (received: ReceivedRequest) => string | undefined
  readonly clear: () => void
}

const maxRemembered = 10_000

export function createRackNumbers({ clock, timers }: Pick<ProxyParts, 'clock' | 'timers'>): RackNumbers {
  /** RSeq of a fork by the number its response went back with. RFC 3262 §3: it waits for its PRACK for 64·T1. */
  const renumbered = createMemory<number>(64 * timers.t1Ms, maxRemembered)

  /** Where we stay in the path, reliable provisional responses are numbered through; elsewhere the PRACK may not come this way. */
  const rseqFor = ({ asked, order, numbering }: Running, response: SipResponse): number | undefined => {
    const rseq = Number(header(response, 'rseq') ?? 0)
    if (response.status >= 200 || !(rseq > 0) || !order.remainInDialog) return undefined
    const toTag = tagOf(parseAddress(header(response, 'to')!)!)
    const number = numberThrough(numbering, toTag, rseq)
    if (number !== rseq) renumbered.keep(rackKey(asked.received.callId, toTag, number), rseq, clock.monotonicMs())
    return number
  }

  /** RAck of a PRACK as the fork knows it. */
  const rackFor = ({ message, callId, toTag }: ReceivedRequest): string | undefined => {
    const rack = message.method === 'PRACK' ? parseRAck(header(message, 'rack') ?? '') : undefined
    if (rack === undefined) return undefined
    const rseq = renumbered.recall(rackKey(callId, toTag, rack.rseq), clock.monotonicMs())
    return rseq === undefined ? undefined : `${rseq} ${rack.cseq.number} ${rack.cseq.method}`
  }

  return { rseqFor, rackFor, clear: renumbered.clear }
}

function rackKey(callId: string, toTag: string, rseq: number): string {
  return `${callId} ${toTag} ${rseq}`
}
