import Srf from 'drachtio-srf'

/**
 * The part of drachtio-srf that this gateway uses, with the types it really has. Whatever server speaks the drachtio protocol on the other side is not
 * visible here.
 */
export interface SipMessage {
  readonly raw?: string
  readonly body: string
  /** Header values by the name as received (`X-…`, `P-…`) or in lower case; repeated headers are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly get: (name: string) => string | undefined
}

export interface SipRequest extends SipMessage {
  readonly method: string
  readonly uri: string
  /** `network`, or `application` for a request that the server made on our behalf. */
  readonly source: string
  readonly source_address: string
  readonly stackTxnId: string
  readonly on: (event: 'cancel', listener: (cancel: SipMessage) => void) => void
}

export interface SendOptions {
  readonly headers?: Record<string, string>
  readonly body?: string
}

export interface SipResponse {
  readonly finalResponseSent: boolean
  /** `sent` gets the message as it went out, or an error when the transaction was gone. */
  readonly send: {
    (status: number, options: SendOptions, sent?: (error: unknown, message?: SipMessage) => void): void
    (status: number, phrase: string, options: SendOptions): void
  }
}

export interface SipDialog {
  readonly id: string
  /** A peer of RFC 2543 gives no tag, and we have to live with it (RFC 3261 §12.1.2). */
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string | undefined }
  /** The response that made it, of a call out. */
  readonly res: { readonly get: (name: string) => string | undefined }
  /** Session descriptions as last sent and received. */
  readonly remote: { readonly sdp: string | undefined }
  readonly on: {
    (event: 'ack', listener: (ack: SipRequest) => void): void
    (event: 'destroy', listener: (bye: SipRequest, reason: string) => void): void
    (event: InDialogMethod, listener: (request: SipRequest, response: SipResponse) => void): void
  }
  /** Any other request; an INVITE is acknowledged. */
  readonly request: (
    options: SendOptions & { readonly method: string },
    done: (error: unknown, response?: ReceivedResponse) => void
  ) => void
  /** Sends BYE. `done` comes with its final response (or the error), so never before the peer answered or the server gave up. */
  readonly destroy: (options: SendOptions, done: (error: unknown) => void) => void
}

/** An INVITE of ours. */
export interface SentRequest extends SipMessage {
  readonly on: (event: 'response', listener: (response: ReceivedResponse) => void) => void
  readonly cancel: (options: SendOptions, sent: (error: unknown) => void) => void
}

/** A response of the network. */
export interface ReceivedResponse extends Omit<SipMessage, 'body'> {
  /** Undefined without one. */
  readonly body: string | undefined
  readonly status: number
  readonly reason: string
  /** Empty for a response that the server made up: nobody answered, or nobody could be reached. */
  readonly source_address: string
}

export interface InviteOptions {
  /** Request-URI. */
  readonly uri: string
  /** Next hop. */
  readonly proxy: string
  /** Offer; left out for a late one. */
  readonly localSdp?: string
  /** With a late offer: the ACK is ours to send. */
  readonly noAck?: boolean
  readonly headers: Record<string, string>
}

/** A 200 with an offer, which the ACK has to answer. */
export interface UnacknowledgedDialog {
  readonly sdp: string
  readonly res: ReceivedResponse
  readonly ack: (answer: string) => Promise<SipDialog>
  /** ACK and BYE. */
  readonly destroy: () => Promise<void>
}

/** In-dialog requests as drachtio-srf names them; `modify` is a re-INVITE. */
export type InDialogMethod = 'modify' | 'update' | 'info' | 'options' | 'message' | 'refer' | 'publish' | 'notify' | 'subscribe'

export type RequestHandler = (request: SipRequest, response: SipResponse) => void

export interface SipServerConnection {
  readonly use: (method: string, handler: RequestHandler) => void
  /** `reconnect` is kept and looked at before each attempt; 0 attempts are any number. */
  readonly connect: (options: {
    host: string
    port: number
    secret: string
    reconnect: { retryMaxDelay?: number; maxAttempts: number }
  }) => void
  readonly on: {
    (event: 'connect', listener: (error: Error | null | undefined, hostports: string) => void): void
    (event: 'error', listener: (error: Error) => void): void
    (event: 'close', listener: () => void): void
    (event: 'reconnecting', listener: (attempt: unknown) => void): void
  }
  readonly createUAS: (
    request: SipRequest,
    response: SipResponse,
    options: { localSdp: string; headers: Record<string, string> },
    created: (error: unknown, dialog?: SipDialog) => void
  ) => void
  readonly createUAC: (
    options: InviteOptions,
    progress: {
      readonly cbRequest: (error: unknown, request?: SentRequest) => void
      readonly cbProvisional: (response: ReceivedResponse) => void
    },
    done: (error: unknown, dialog?: SipDialog | UnacknowledgedDialog) => void
  ) => void
  /** A request outside the dialogs that the server knows. */
  readonly request: (
    options: { readonly uri: string; readonly method: string; readonly proxy: string; readonly headers: Record<string, string> },
    sent: (
      error: unknown,
      request?: { readonly on: (event: 'response', listener: (response: ReceivedResponse) => void) => void }
    ) => void
  ) => void
  readonly disconnect: () => void
}

/** A connection object that is not connected yet. */
export function newServerConnection(): SipServerConnection {
  return new Srf() as unknown as SipServerConnection
}
