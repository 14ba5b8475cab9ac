/** Runs the transaction machines: owns their timers, matches messages to them, sends and repeats what they ask for. */
import { type Clock, type Log, step, type Table, type TypedEvent } from '#kernel'
import type { SipResponse } from '../codec/message.ts'
import { newId } from '../common/ids.ts'
import { retainText } from '../common/retained.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { EngineTimers } from '../common/timers.ts'
import type { SendFailed, TransportPort } from '../transport/port.ts'
import type { Effect, TimerName, TransactionContext } from './effects.ts'
import { inviteClient } from './invite-client.ts'
import { inviteServer } from './invite-server.ts'
import { clientKey, methodOfKey } from './key.ts'
import { createLingeringStore } from './lingering.ts'
import { nonInviteClient } from './non-invite-client.ts'
import { nonInviteServer } from './non-invite-server.ts'
import type { ReceivedRequest, ResponsePath } from './received.ts'
import { createTimerQueue } from './timer-queue.ts'
import type { ClientTransaction, Running, ServerTransaction, Told, TransactionEnded } from './transaction.ts'

export interface ClientRequest {
  /** That of the transaction it follows at another address, so that the application sees one. */
  readonly id?: string
  readonly method: string
  readonly branch: string
  readonly bytes: Buffer
  readonly reliable: boolean
  readonly transmit: (bytes: Buffer, failed: SendFailed) => void
  readonly makeAck: (response: SipResponse) => Buffer
  readonly tell: (what: Told, response: SipResponse | null) => void
}

export interface Transactions {
  readonly openServer: (received: ReceivedRequest) => ServerTransaction
  /** @param back where a repeat of its request came from, which is where a repeat of its response goes. */
  readonly findServer: (key: string, back: ResponsePath) => ServerTransaction | undefined
  readonly requestAgain: (transaction: ServerTransaction) => void
  readonly acknowledge: (transaction: ServerTransaction) => void
  readonly respond: (transaction: ServerTransaction, status: number, bytes: Buffer) => void
  /** Ends a server transaction without an answer. */
  readonly forget: (transaction: ServerTransaction) => void
  /** Makes the transaction; it sends nothing before `start`. */
  readonly openClient: (request: ClientRequest) => ClientTransaction
  readonly start: (transaction: ClientTransaction) => void
  readonly abandon: (transaction: ClientTransaction) => void
  /** False when the response belongs to no transaction. */
  readonly response: (response: SipResponse, branch: string, method: string) => boolean
  /** Server transactions that have not had their final response, or not the ACK for it. */
  readonly unfinished: () => number
  readonly counts: () => { server: number; client: number }
  readonly close: () => void
}

const none: Running['timers'] = []

/** Of transactions that only absorb repeats; as many as 15,000 calls a second leave in 32 s. */
const mostLingering = 1_000_000

export function createTransactions(parts: {
  readonly clock: Clock
  readonly transport: TransportPort
  readonly timers: EngineTimers
  readonly counters: EngineCounters
  readonly log: Log
  /** Told once for each transaction. */
  readonly ended?: ((transaction: TransactionEnded) => void) | undefined
}): Transactions {
  const { clock, transport, timers, counters, log, ended } = parts
  const servers = new Map<string, ServerTransaction>()
  const clients = new Map<string, ClientTransaction>()
  const lingering = createLingeringStore(clock, 64 * timers.t1Ms, mostLingering)

  const context = (reliable: boolean): TransactionContext => ({
    t1Ms: timers.t1Ms,
    t2Ms: timers.t2Ms,
    t4Ms: timers.t4Ms,
    reliable,
    intervalMs: timers.t1Ms
  })

  const startedMs = (): number | null => (ended === undefined ? null : clock.monotonicMs())

  const tellEnd = (role: TransactionEnded['role'], running: Running, status: number): void => {
    if (ended === undefined || running.startedMs === null) return
    const durationMs = clock.monotonicMs() - running.startedMs
    running.startedMs = null
    ended({ role, method: running.method, status, durationMs })
  }

  const queue = createTimerQueue<ServerTransaction | ClientTransaction, TimerName>(clock, (transaction, name) => {
    transaction.timers = transaction.timers.filter((each) => each.queue !== null)
    if ('back' in transaction) driveServer(transaction, { type: name })
    else driveClient(transaction, { type: name }, null)
  })

  const startTimer = (transaction: ServerTransaction | ClientTransaction, name: TimerName, delayMs: number) => {
    stopTimer(transaction, name)
    const started = queue.start(transaction, name, delayMs)
    transaction.timers = transaction.timers.length === 0 ? [started] : [...transaction.timers, started]
  }

  const stopTimer = (running: Running, name: TimerName) => {
    const timer = running.timers.find((each) => each.name === name)
    if (timer === undefined) return
    queue.stop(timer)
    running.timers = running.timers.filter((each) => each !== timer)
  }

  const stopAll = (running: Running) => {
    for (const timer of running.timers) queue.stop(timer)
    running.timers = none
  }

  const ignored = (running: Running, state: string, event: string): void =>
    log.debug({ transaction: running.id, method: running.method, state, event }, 'transaction ignores event')

  /** What is left to do for it is done by what `revived` makes of its record. */
  const linger = (transaction: ServerTransaction) => {
    const { key, id, status, state, response } = transaction
    servers.delete(key)
    // The 2xx to an INVITE is repeated by others, and never from here.
    lingering.add(key, { id, status, response: state === 'accepted' ? null : response })
  }

  const revived = (key: string, back: ResponsePath): ServerTransaction | undefined => {
    const record = lingering.get(key)
    if (record === undefined) return undefined
    const method = methodOfKey(key)
    return {
      ...record,
      key,
      method,
      context: context(back.flow.listener.transport !== 'udp'),
      timers: none,
      startedMs: null,
      back,
      state: method === 'INVITE' ? 'accepted' : 'completed'
    }
  }

  const sendResponse = (transaction: ServerTransaction) => {
    if (transaction.response === null) return
    const { flow, fallback } = transaction.back
    transport.reply(flow, fallback, transaction.response, (error) => {
      counters.transportErrors++
      log.debug({ transaction: transaction.id, error: error.message }, 'response not sent')
      driveServer(transaction, { type: 'transportError' })
    })
  }

  const driveServer = (transaction: ServerTransaction, event: TypedEvent) => {
    const table = (transaction.method === 'INVITE' ? inviteServer : nonInviteServer) as Table<
      string,
      TypedEvent,
      Effect,
      TransactionContext
    >
    const { state, effects, allowed } = step(table, transaction.state as string, event, transaction.context)
    if (!allowed) return ignored(transaction, transaction.state, event.type)
    transaction.state = state as ServerTransaction['state']
    if (state === 'terminated') {
      stopAll(transaction)
      servers.delete(transaction.key)
      lingering.delete(transaction.key)
    }
    for (const effect of effects) {
      if (effect.type === 'sendResponse') {
        if (event.type.length === 1 || event.type === 'request') counters.retransmissionsSent++
        sendResponse(transaction)
        if (transaction.state !== state) return // sending failed at once, and with it the transaction
      } else if (effect.type === 'startTimer') {
        const { timer, delayMs } = effect
        if (delayMs > 0 && (timer === 'J' || timer === 'L')) linger(transaction)
        else startTimer(transaction, timer, delayMs)
      } else if (effect.type === 'stopTimer') stopTimer(transaction, effect.timer)
      else if (effect.type === 'tell') log.debug({ transaction: transaction.id, reason: effect.what }, 'response not delivered')
    }
  }

  const driveClient = (transaction: ClientTransaction, event: TypedEvent, response: SipResponse | null) => {
    const table = (transaction.method === 'INVITE' ? inviteClient : nonInviteClient) as Table<
      string,
      TypedEvent,
      Effect,
      TransactionContext
    >
    const { state, effects, allowed } = step(table, transaction.state as string, event, transaction.context)
    if (!allowed) return ignored(transaction, transaction.state, event.type)
    transaction.state = state as ClientTransaction['state']
    if (state === 'terminated') {
      stopAll(transaction)
      clients.delete(transaction.key)
    }
    const failed: SendFailed = (error) => {
      counters.transportErrors++
      log.debug({ transaction: transaction.id, error: error.message }, 'request not sent')
      driveClient(transaction, { type: 'transportError' }, null)
    }
    for (const effect of effects) {
      switch (effect.type) {
        case 'sendRequest':
          if (event.type !== 'start') counters.retransmissionsSent++
          transaction.transmit(transaction.bytes, failed)
          if (transaction.state !== state) return // sending failed at once, and with it the transaction
          break
        case 'sendAck':
          if (response !== null) transaction.ack ??= transaction.makeAck(response)
          if (transaction.ack !== null) transaction.transmit(transaction.ack, failed)
          break
        case 'startTimer':
          startTimer(transaction, effect.timer, effect.delayMs)
          break
        case 'stopTimer':
          stopTimer(transaction, effect.timer)
          break
        case 'tell':
          if (effect.what !== 'provisional') tellEnd('client', transaction, response?.status ?? 0)
          transaction.tell(effect.what, response)
          break
      }
    }
  }

  return {
    openServer: (received) => {
      const transaction: ServerTransaction = {
        id: newId(),
        key: retainText(received.key),
        method: received.message.method,
        context: context(received.flow.listener.transport !== 'udp'),
        timers: none,
        startedMs: startedMs(),
        back: { flow: received.flow, fallback: received.fallback },
        state: received.message.method === 'INVITE' ? 'proceeding' : 'trying',
        response: null,
        status: 0
      }
      servers.set(transaction.key, transaction)
      return transaction
    },
    findServer: (key, back) => servers.get(key) ?? revived(key, back),
    requestAgain: (transaction) => {
      counters.retransmissionsReceived++
      driveServer(transaction, { type: 'request' })
    },
    acknowledge: (transaction) => {
      driveServer(transaction, { type: 'ack' })
      // Nothing is repeated any more.
      transaction.response = null
    },
    respond: (transaction, status, bytes) => {
      transaction.response = bytes
      transaction.status = status
      counters.responsesSent++
      if (status >= 200) tellEnd('server', transaction, status)
      if (status < 200) driveServer(transaction, { type: 'sendProvisional' })
      else if (transaction.method !== 'INVITE') driveServer(transaction, { type: 'sendFinal' })
      else driveServer(transaction, { type: status < 300 ? 'sendSuccess' : 'sendFailure' })
    },
    forget: (transaction) => {
      stopAll(transaction)
      transaction.state = 'terminated'
      servers.delete(transaction.key)
      lingering.delete(transaction.key)
    },
    openClient: (request) => {
      const transaction: ClientTransaction = {
        id: request.id ?? newId(),
        key: clientKey(request.branch, request.method),
        method: request.method,
        context: context(request.reliable),
        timers: none,
        startedMs: startedMs(),
        state: 'initial',
        bytes: request.bytes,
        transmit: request.transmit,
        ack: null,
        makeAck: request.makeAck,
        tell: request.tell
      }
      clients.set(transaction.key, transaction)
      return transaction
    },
    start: (transaction) => {
      counters.requestsSent++
      driveClient(transaction, { type: 'start' }, null)
    },
    abandon: (transaction) => driveClient(transaction, { type: 'abandon' }, null),
    response: (response, branch, method) => {
      const transaction = clients.get(clientKey(branch, method))
      if (transaction === undefined) return false
      driveClient(
        transaction,
        { type: response.status < 200 ? 'provisional' : response.status < 300 ? 'success' : 'failure' },
        response
      )
      return true
    },
    unfinished: () => servers.size,
    counts: () => ({ server: servers.size + lingering.size(), client: clients.size }),
    close: () => {
      for (const transaction of servers.values()) stopAll(transaction)
      for (const transaction of clients.values()) stopAll(transaction)
      servers.clear()
      clients.clear()
      lingering.close()
    }
  }
}
