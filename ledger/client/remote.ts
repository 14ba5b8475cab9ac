/**
 * Appends to a ledger through its service, from anywhere: the `ledger` of a witness, which keeps its spool when no service answers.
 */
import { errorCode, InfraFabricError, messageOf } from '#kernel'
import type { Ledger } from '../ledger.ts'
import { type EntryDraft, finishDraft, noPrevious, openEntry } from '../log/entry.ts'
import { keyTaken } from '../store/known.ts'
import type { AppendItem, Place } from '../store/store.ts'
import { type Answer, createPoster } from './poster.ts'

export interface RemoteLedgerConfig {
  /** Addresses of services over one log; the next is asked when one does not answer or does not lead. */
  readonly urls: readonly [string, ...string[]]
  /** Of the role producer. */
  readonly token: string
  /** PEM of the authority of the services' certificates; default: those the system trusts. */
  readonly ca?: string
  /** How long one service may take to answer, in milliseconds. Default 4000: less than a witness waits. */
  readonly answerWithinMs?: number
}

export interface RemoteLedger {
  /**
   * As {@link Ledger.append}: what is told while an append is under way goes with the next one, in order, and one append is under way at a time. Each service is asked
   * once; all of them have failed when it rejects, and what they did after all the keys will tell.
   *
   * @throws {InfraFabricError} `ledger.remote.unreachable`, `ledger.remote.refused`, `ledger.remote.answer`, `ledger.append.key-taken`, `ledger.store.after-failure`,
   *   `ledger.closed`
   */
  readonly append: Ledger['append']
  /** Ends connections; what is under way fails. Idempotent. */
  readonly close: () => void
}

const mostEntries = 1000
const mostOctets = 4 << 20
const longestAnswer = 1 << 20
const loopback = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|localhost)$/

interface Waiting {
  readonly texts: readonly string[]
  readonly octets: number
  readonly epoch: number | null
  readonly answer: PromiseWithResolvers<readonly Place[]>
}

/** An item in the form in which it goes over the wire. */
function wireText({ draft, key, erasable }: AppendItem): string {
  const { event, component, time, payload, ...entry } = openEntry(Buffer.from(finishDraft(draft as EntryDraft, 0, noPrevious)))
  return JSON.stringify({
    key,
    event,
    component,
    traceId: entry.trace_id,
    parentTraceId: entry.parent_trace_id,
    time,
    payload,
    tokensIn: entry.tokens_in,
    tokensOut: entry.tokens_out,
    cost: entry.cost,
    model: entry.model,
    erasable
  })
}

/** @throws {InfraFabricError} `ledger.remote.url`: no http or https URL, or a token would go over the network in the clear */
export function connectLedger({ urls, token, ca, answerWithinMs = 4000 }: RemoteLedgerConfig): RemoteLedger {
  const targets = urls.map((url) => {
    const target = URL.parse(`${url.replace(/\/$/, '')}/v1/entries`)
    const secure = target?.protocol === 'https:'
    if (target === null || !(secure || (target.protocol === 'http:' && loopback.test(target.hostname)))) {
      throw new InfraFabricError('ledger.remote.url', `${url}: expected https, or http to loopback`)
    }
    return target
  })
  const poster = createPoster(ca)
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  let queue: Waiting[] = []
  let working = false
  let closed = false
  let failedEpoch = -1
  /** The service that answered last. */
  let current = 0

  const post = (target: URL, body: Buffer): Promise<Answer> =>
    poster.post(target, body, { headers, timeoutMs: answerWithinMs, longestAnswer }).catch((error: unknown) => {
      throw new InfraFabricError('ledger.remote.unreachable', `service at ${target.origin}: ${messageOf(error)}`, {
        cause: error
      })
    })

  const ask = async (texts: readonly string[]): Promise<readonly Place[]> => {
    const body = Buffer.from(`{"entries":[${texts.join(',')}]}`)
    let failure: unknown
    for (let tried = 0; tried < targets.length && !closed; tried++) {
      const target = targets[current]!
      try {
        const { status, text } = await post(target, body)
        if (status === 200) return placesOf(text, texts.length)
        const kind = kindOf(text)
        const code = kind === 'key-taken' ? keyTaken : 'ledger.remote.refused'
        failure = new InfraFabricError(code, `service at ${target.origin}: status ${status}, ${kind}`)
        if (status < 500 && status !== 401 && status !== 403 && status !== 404 && status !== 429) break
      } catch (error) {
        failure = error
      }
      current = (current + 1) % targets.length
    }
    throw failure ?? new InfraFabricError('ledger.closed', 'the connection is closed')
  }

  /** The next batch: whole appends, as many as go together. */
  const takeBatch = (): Waiting[] => {
    let entries = 0
    let octets = 0
    let count = 0
    for (const waiting of queue) {
      entries += waiting.texts.length
      octets += waiting.octets
      if (count > 0 && (entries > mostEntries || octets > mostOctets || waiting.epoch !== queue[0]!.epoch)) break
      count++
    }
    const batch = queue.slice(0, count)
    queue = queue.slice(count)
    return batch
  }

  /** One append that is larger than a request may be goes in several: in order, each of its keys telling where it is if it breaks off. */
  const askInParts = async (texts: readonly string[]): Promise<readonly Place[]> => {
    const places: Place[] = []
    for (let from = 0; from < texts.length; ) {
      let to = from
      let octets = 0
      while (to < texts.length && to - from < mostEntries && (to === from || octets + texts[to]!.length <= mostOctets)) {
        octets += texts[to]!.length
        to++
      }
      places.push(...(await ask(texts.slice(from, to))))
      from = to
    }
    return places
  }

  const deliver = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const places = await askInParts(batch.flatMap(({ texts }) => texts))
      let at = 0
      for (const { texts, answer } of batch) {
        answer.resolve(places.slice(at, at + texts.length))
        at += texts.length
      }
    } catch (error) {
      // a key of one append is no failure of the others; those of an epoch behind it are
      if (errorCode(error) === keyTaken && batch[0]!.epoch === null && batch.length > 1) {
        for (const waiting of batch) await deliver([waiting])
        return
      }
      failedEpoch = Math.max(failedEpoch, batch[0]!.epoch ?? -1)
      for (const { answer } of batch) answer.reject(error)
    }
  }

  const work = async (): Promise<void> => {
    if (working) return
    working = true
    // what is told in this turn goes together
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (queue.length > 0) {
      const batch = takeBatch().filter(({ epoch, answer }) => {
        if (epoch === null || epoch > failedEpoch) return true
        answer.reject(new InfraFabricError('ledger.store.after-failure', 'an append before this one failed'))
        return false
      })
      if (batch.length > 0) await deliver(batch)
    }
    working = false
  }

  return {
    append: async (items, epoch) => {
      if (closed) throw new InfraFabricError('ledger.closed', 'the connection is closed')
      const texts = items.map(wireText)
      const answer = Promise.withResolvers<readonly Place[]>()
      queue.push({ texts, octets: texts.reduce((sum, text) => sum + text.length, 0), epoch, answer })
      void work()
      return answer.promise
    },
    close: () => {
      closed = true
      poster.close()
    }
  }
}

function placesOf(text: string, count: number): readonly Place[] {
  try {
    const { places } = JSON.parse(text) as { places: Place[] }
    const isPlace = ({ index, hash }: Place) => Number.isSafeInteger(index) && index >= 0 && /^[0-9a-f]{64}$/.test(hash)
    if (places.length === count && places.every(isPlace)) return places
  } catch {
    // told below
  }
  throw new InfraFabricError('ledger.remote.answer', 'the service did not answer with a place for each entry')
}

/** The kind of a problem document, for a message; the rest of it is not repeated. */
function kindOf(text: string): string {
  try {
    return /^urn:infrafabric:problem:([a-z-]{1,40})$/.exec((JSON.parse(text) as { type: string }).type)?.[1] ?? 'no problem told'
  } catch {
    return 'no problem told'
  }
}
