/**
 * What the edge wrote down of its own about the calls it saw: a JSON object a line.
 *
 *     {"time":1767225600,"callId":"a@b","fromTag":"4fd7","outcome":"relayed"}
 *
 * `relayed`: given to an application server. `unanswered`: no application server took it after all. `refused`: the edge said no, and reported it.
 */
import { createReadStream } from 'node:fs'
import { InfraFabricError } from '#kernel'

export interface Accounting {
  /** Calls that an application server took, as {@link accountedCall} names them. */
  readonly taken: ReadonlySet<string>
  /** Requests of which the edge reported that it refused them. */
  readonly refused: ReadonlySet<string>
  /** Lines that cannot be read, a torn last line left out. */
  readonly spoiled: number
}

/** A Call-ID as the edge writes it: cut at 128 octets, and with nothing in it that is not printable ASCII. */
export const accountedId = (callId: string): string =>
  Buffer.from(callId, 'utf8')
    .subarray(0, 128)
    .toString('latin1')
    .replace(/[^ -~]/g, '?')

/**
 * A call by its Call-ID and the tag in From, which a caller who uses a Call-ID again has to choose anew (RFC 3261 §12): `a@b;from-tag=4fd7`. Without the tag
 * where none is known: of a peer of RFC 2543, and of what was written before tags were.
 */
export const accountedCall = (callId: string, fromTag: string | null): string =>
  fromTag === null ? accountedId(callId) : `${accountedId(callId)}${tagMark}${accountedId(fromTag)}`

const tagMark = ';from-tag='

/** The Call-ID of a call as {@link accountedCall} names it; the name itself where it has no tag. */
export const callIdOf = (call: string): string => {
  const at = call.lastIndexOf(tagMark)
  return at < 0 ? call : call.slice(0, at)
}

const longestLine = 4096

/** @throws {InfraFabricError} `ledger.accounting.unreadable` */
export async function readAccounting(path: string): Promise<Accounting> {
  /** Times an application server took an INVITE of that call. */
  const taken = new Map<string, number>()
  const refused = new Set<string>()
  let spoiled = 0
  const take = (line: string) => {
    const fact = line.length > longestLine ? null : readLine(line)
    if (fact === null) spoiled++
    else if (fact.outcome === 'refused') refused.add(fact.call)
    else taken.set(fact.call, (taken.get(fact.call) ?? 0) + (fact.outcome === 'relayed' ? 1 : -1))
  }
  try {
    let rest = ''
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
      const lines = (rest + (chunk as string)).split('\n')
      rest = lines.pop()!
      for (const line of lines) if (line !== '') take(line)
      if (rest.length > longestLine) rest = rest.slice(0, longestLine + 1)
    }
  } catch (error) {
    throw new InfraFabricError('ledger.accounting.unreadable', `${path} cannot be read: ${String(error)}`, { cause: error })
  }
  const calls = [...taken].flatMap(([call, times]) => (times > 0 ? [call] : []))
  return { taken: new Set(calls), refused, spoiled }
}

function readLine(line: string): { readonly call: string; readonly outcome: 'relayed' | 'unanswered' | 'refused' } | null {
  try {
    const { callId, fromTag, outcome } = JSON.parse(line) as { callId?: unknown; fromTag?: unknown; outcome?: unknown }
    if (typeof callId !== 'string') return null
    const call = accountedCall(callId, typeof fromTag === 'string' && fromTag !== '' ? fromTag : null)
    return outcome === 'relayed' || outcome === 'unanswered' || outcome === 'refused' ? { call, outcome } : null
  } catch {
    return null
  }
}
