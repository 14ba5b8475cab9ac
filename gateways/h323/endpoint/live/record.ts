/** Witness entries of a call: a call that cannot be recorded does not begin, one under way goes on. */
import { type Clock, errorCode, type Log, type WitnessEvent } from '#kernel'
import type { ReleaseCause } from '../../call/causes.ts'
import type { CallWorld } from './world.ts'

type Payload = WitnessEvent['payload']

export interface RecordPorts {
  readonly record: CallWorld['record']
  readonly clock: Clock
  readonly log: Log
  readonly traceId: string
  readonly parentTraceId: string | undefined
}

export class CallRecord {
  readonly #ports: RecordPorts
  #answeredAt: number | null = null

  constructor(ports: RecordPorts) {
    this.#ports = ports
  }

  /** @returns whether it is recorded */
  sent(from: string, to: string): Promise<boolean> {
    return this.#begun('h323_setup_sent', { from, to })
  }

  /** @param source address of the caller. @returns whether it is recorded */
  received(from: string, to: string, source: string | null): Promise<boolean> {
    return this.#begun('h323_setup_received', { from, to, source })
  }

  connected(from: string, to: string): void {
    this.#answeredAt = this.#ports.clock.now()
    this.#note('h323_connected', { from, to })
  }

  released({ cause, reason }: ReleaseCause, by: 'local' | 'remote'): void {
    const at = this.#answeredAt
    this.#note('h323_released', {
      cause,
      reason,
      by,
      answered: at !== null,
      duration_ms: at === null ? 0 : this.#ports.clock.now() - at
    })
  }

  async #begun(event: string, payload: Payload): Promise<boolean> {
    const { record, traceId, parentTraceId, log } = this.#ports
    try {
      await record({ event, traceId, ...(parentTraceId !== undefined && { parentTraceId }), payload })
      return true
    } catch (error) {
      log.error({ code: errorCode(error) }, 'call not recorded')
      return false
    }
  }

  #note(event: string, payload: Payload): void {
    const { record, traceId, log } = this.#ports
    record({ event, traceId, payload }).catch((error: unknown) => log.error({ code: errorCode(error), event }, 'not recorded'))
  }
}
