/** Counters since start, and gauges. Names are stable: metrics are made of them. */
export interface EngineCounters {
  requestsReceived: number
  responsesReceived: number
  requestsSent: number
  responsesSent: number
  retransmissionsReceived: number
  retransmissionsSent: number
  /** SIP that could not be read, and was dropped or refused with 400. */
  malformed: number
  oversized: number
  /** Messages that belong to nothing: stray responses and ACKs, datagrams that are no SIP. */
  stray: number
  /** Requests answered 503 because no application handles the method. */
  unhandled: number
  /** New requests refused with 503, or not read, because of too much load. */
  shed: number
  /** Requests whose application did not answer, or went away before it did. */
  unanswered: number
  ackTimeouts: number
  sessionsExpired: number
  transportErrors: number
  /** Streams closed because their framing was broken, their message or handshake took too long, or there were too many. */
  connectionsRefused: number
  loginsRefused: number
  framesRefused: number
  /** Messages whose handling failed for a fault of the engine itself: they are dropped, and everything else goes on. Should stay 0. */
  defects: number
}

export interface EngineStats extends Readonly<EngineCounters> {
  readonly applications: number
  readonly connections: number
  readonly dialogs: number
  readonly serverTransactions: number
  readonly clientTransactions: number
  /** Requests on their way through the proxy. */
  readonly proxied: number
}

export function newCounters(): EngineCounters {
  return {
    requestsReceived: 0,
    responsesReceived: 0,
    requestsSent: 0,
    responsesSent: 0,
    retransmissionsReceived: 0,
    retransmissionsSent: 0,
    malformed: 0,
    oversized: 0,
    stray: 0,
    unhandled: 0,
    shed: 0,
    unanswered: 0,
    ackTimeouts: 0,
    sessionsExpired: 0,
    transportErrors: 0,
    connectionsRefused: 0,
    loginsRefused: 0,
    framesRefused: 0,
    defects: 0
  }
}
