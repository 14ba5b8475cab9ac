import type { JsonObject, Log } from '#kernel'
import { reasonOfBye } from '../message/end-cause.ts'
import { readNameAddr } from '../message/headers.ts'
import type { SipServerConnection } from '../server/drachtio.ts'

/** What a dialog leaves in the record, so that a later run can end it: the state of RFC 3261 §12 without the route, which leads over the edge. */
export interface RecordedDialog {
  readonly localUri: string
  readonly localTag: string
  readonly remoteUri: string
  readonly remoteTag: string
  /** URI of the peer's Contact. */
  readonly remoteTarget: string
  /** CSeq of the INVITE of ours that set it up; 0 where the peer's did. */
  readonly localCSeq: number
}

/** A call of this application without an end: as the ledger shows it after a crash, or as it stood when the SIP server was lost. */
export interface OpenCall {
  readonly traceId: string
  readonly parentTraceId?: string
  readonly callId: string
  /** Its dialog, where it had one and the record says enough. */
  readonly dialog?: RecordedDialog | null
  /** Where it was, where it got so far. */
  readonly place?: { readonly conference: string; readonly hazard: string | null } | null
  /** Wall clock of its INVITE, milliseconds since 1970; null when unknown. */
  readonly receivedAt: number | null
}

/** A call whose dialog an earlier run of this application, or a SIP server that was lost, had. */
export interface LeftCall {
  readonly traceId: string
  readonly callId: string
  readonly dialog: RecordedDialog
}

/** Beyond what a call can have used that no run has taken up yet: servers begin at random below 2^30 in dialogs of the peer (`newCSeq` of the embedded one). */
const firstCSeq = 1_100_000_000
/** Requests of ours that a run can have sent in a call that it took up. */
const requestsOfRun = 1_000_000
/** What was tried to take a call up, before the BYE. */
const triesOfRun = 100
const mostCSeq = 2 ** 31 - 1

/**
 * The number behind which a run counts its requests in a dialog of an earlier one: nobody counts them across a crash, and each has to be higher than those before
 * it (RFC 3261 §12.2.1.1). Room for a thousand restarts in one call.
 */
export const cseqBefore = ({ localCSeq }: Pick<RecordedDialog, 'localCSeq'>): number =>
  Math.max(firstCSeq, localCSeq + requestsOfRun)

/** The dialog in an entry `sip_dialog_established`, null where it says too little. */
export function readRecordedDialog(payload: JsonObject): RecordedDialog | null {
  const text = (name: string): string | null => {
    const value = payload[name]
    return typeof value === 'string' && /^[^\s<>"]{1,512}$/.test(value) ? value : null
  }
  const [localUri, localTag, remoteUri, remoteTag, remoteTarget] = [
    text('localUri'),
    text('localTag'),
    text('remoteUri'),
    payload.remoteTag === '' ? '' : text('remoteTag'),
    text('remoteTarget')
  ]
  const localCSeq = payload.localCSeq ?? 0
  if (typeof localCSeq !== 'number' || !Number.isInteger(localCSeq) || localCSeq < 0 || localCSeq > mostCSeq - 2 * requestsOfRun)
    return null
  if (localUri === null || localTag === null || remoteUri === null || remoteTag === null || remoteTarget === null) return null
  return readNameAddr(`<${remoteTarget}>`) === null ? null : { localUri, localTag, remoteUri, remoteTag, remoteTarget, localCSeq }
}

/** The peer, as To of a request in the dialog: without a tag where it gave none (RFC 3261 §12.2.1.1). */
export function remoteAddress({ remoteUri, remoteTag }: Pick<RecordedDialog, 'remoteUri' | 'remoteTag'>): string {
  return remoteTag === '' ? `<${remoteUri}>` : `<${remoteUri}>;tag=${remoteTag}`
}

/**
 * Hangs up on the peer of a dialog that an earlier run of this application had and that is not taken up, so that a phone does not stay in a call in which
 * nobody is left.
 *
 * @param proxy where it goes: the edge, which finds the peer by its Contact or over the connection that the peer opened.
 */
export function endLeftDialog(server: SipServerConnection, proxy: string, { callId, dialog }: LeftCall, log: Log): void {
  const headers = {
    From: `<${dialog.localUri}>;tag=${dialog.localTag}`,
    To: remoteAddress(dialog),
    'Call-ID': callId,
    CSeq: `${cseqBefore(dialog) + triesOfRun} BYE`,
    Reason: reasonOfBye({ by: 'application', reason: 'application-restart' })
  }
  server.request({ uri: dialog.remoteTarget, method: 'BYE', proxy, headers }, (error, request) => {
    if (request === undefined) return log.info({ reason: String(error) }, 'BYE for a call of an earlier run not sent')
    request.on('response', (response) => log.info({ status: response.status }, 'BYE for a call of an earlier run answered'))
  })
}
