/**
 * A producer's own signature on what it tells: the ledger's keeper cannot make entries in its name, whatever keys of the log the keeper has.
 *
 *     payload.signature = { "key": "<eight hex digits>", "sig": "<base64 of 64 octets>" }
 *
 * Signed is `infrafabric/entry/v1`, a line feed, and the canonical JSON of the entry without `index`, `prev`, `v` and the signature: all that the producer
 * knows, and nothing that the log adds. Ed25519; the key is named as those of notes are.
 *
 * @see RFC 8785, RFC 8032, C2SP signed-note
 */
import { InfraFabricError, type JsonObject, type WitnessEvent } from '#kernel'
import { canonicalize } from './canonical.ts'
import type { NoteSigner } from './note.ts'
import { timeText } from './time-text.ts'

const context = 'infrafabric/entry/v1\n'

/**
 * The event with its signature in the payload.
 *
 * @param timeMs when the event was told, milliseconds since 1970: it is signed too
 * @throws {InfraFabricError} `ledger.entry.invalid` when the payload has a member `signature` already
 */
export function signEvent(
  told: Omit<WitnessEvent, 'erasable'>,
  timeMs: number,
  signer: NoteSigner
): Omit<WitnessEvent, 'erasable'> {
  const { event, component, traceId, parentTraceId, payload, tokensIn, tokensOut, cost, model } = told
  if ('signature' in payload)
    throw new InfraFabricError('ledger.entry.invalid', 'payload: the member signature is for the producer’s key')
  const signed: JsonObject = {
    component,
    event,
    payload,
    time: timeText(timeMs),
    trace_id: traceId,
    ...(cost === undefined ? {} : { cost }),
    ...(model === undefined ? {} : { model }),
    ...(parentTraceId === undefined ? {} : { parent_trace_id: parentTraceId }),
    ...(tokensIn === undefined ? {} : { tokens_in: tokensIn }),
    ...(tokensOut === undefined ? {} : { tokens_out: tokensOut })
  }
  const sig = signer.privateKey.sign(Buffer.from(context + canonicalize(signed), 'utf8')).toString('base64')
  return { ...told, payload: { ...payload, signature: { key: signer.keyHash.toString('hex'), sig } } }
}
