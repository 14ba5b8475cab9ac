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
}

/** A call whose dialog an earlier run of this application had. */
export interface LeftCall {
  readonly traceId: string
  readonly callId: string
  readonly dialog: RecordedDialog
}

/** Number of the first request of a run that did not count those before: beyond any that a call can have used. */
export const firstCSeq = 1_000_000_000
/** Of the BYE, behind whatever was tried before it. */
const byeCSeq = firstCSeq + 100

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
  if (localUri === null || localTag === null || remoteUri === null || remoteTag === null || remoteTarget === null) return null
  return readNameAddr(`<${remoteTarget}>`) === null ? null : { localUri, localTag, remoteUri, remoteTag, remoteTarget }
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
export function endLeftDialog(
  server: SipServerConnection,
  proxy: string,
  { callId, dialog: { localUri, localTag, remoteUri, remoteTag, remoteTarget } }: LeftCall,
  log: Log
): void {
  const headers = {
    From: `<${localUri}>;tag=${localTag}`,
    To: remoteAddress({ remoteUri, remoteTag }),
    'Call-ID': callId,
    CSeq: `${byeCSeq} BYE`,
    Reason: reasonOfBye({ by: 'application', reason: 'application-restart' })
  }
  server.request({ uri: remoteTarget, method: 'BYE', proxy, headers }, (error, request) => {
    if (request === undefined) return log.info({ reason: String(error) }, 'BYE for a call of an earlier run not sent')
    request.on('response', (response) => log.info({ status: response.status }, 'BYE for a call of an earlier run answered'))
  })
}
