/** What is told of a browser to the ledger: by the service what it saw, by the page (`toldBy: page`) what only a browser sees. */
import { createHash } from 'node:crypto'
import { errorCode, type JsonObject, type Log, type Witness } from '#kernel'

const component = 'IF.witness.webrtc'

export type WebRtcEvent =
  | 'webrtc_connection_started'
  | 'sdp_offer_created'
  | 'sdp_answer_received'
  | 'ice_candidates_gathered'
  | 'ice_connection_state_changed'
  | 'media_stream_ready'
  | 'message_sent'
  | 'leg_quality'
  | 'webrtc_error'
  | 'webrtc_connection_closed'

/** Descriptions and messages are recorded by their hash. */
export const textHash = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')

export class Recorder {
  readonly #witness: Pick<Witness, 'record'>
  readonly #log: Log
  readonly #traceId: string
  readonly #common: JsonObject

  /** @param common facts of every entry */
  constructor(witness: Pick<Witness, 'record'>, log: Log, traceId: string, common: JsonObject) {
    this.#witness = witness
    this.#log = log
    this.#traceId = traceId
    this.#common = common
  }

  /** Resolves when it is durable. @throws {InfraFabricError} `witness.unrecorded` */
  async durable(event: WebRtcEvent, payload: JsonObject): Promise<void> {
    await this.#witness.record({ component, event, traceId: this.#traceId, payload: { ...this.#common, ...payload } })
  }

  /** As `durable`, waiting for nothing: what cannot be recorded is logged. */
  tell(event: WebRtcEvent, payload: JsonObject): void {
    this.durable(event, payload).catch((error: unknown) => this.#log.error({ code: errorCode(error), event }, 'unrecorded'))
  }
}
