/**
 * What the edge wrote down of its own about the calls it saw: a JSON object a line.
 *
 *     {"time":1767225600,"callId":"a@b","outcome":"relayed"}
 *
 * `relayed`: given to an application server. `unanswered`: no application server took it after all. `refused`: the edge said no.
 */
import { createReadStream } from 'node:fs'
import { InfraFabricError } from '#kernel'

export interface Accounting {
  /** Call-IDs that an application server took. */
  readonly taken: ReadonlySet<string>
  /** Requests that the edge refused. */
  readonly refused: number
  /** Lines that cannot be read, a torn last line left out. */
  readonly spoiled: number
}

const longestLine = 4096

/** @throws {InfraFabricError} `ledger.accounting.unreadable` */
export async function readAccounting(path: string): Promise<Accounting> {
  const taken = new Set<string>()
  let refused = 0
  let spoiled = 0
  const take = (line: string) => {
    const fact = line.length > longestLine ? null : readLine(line)
    if (fact === null) spoiled++
    else if (fact.outcome === 'relayed') taken.add(fact.callId)
    else if (fact.outcome === 'unanswered') taken.delete(fact.callId)
    else refused++
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
  return { taken, refused, spoiled }
}

function readLine(line: string): { readonly callId: string; readonly outcome: 'relayed' | 'unanswered' | 'refused' } | null {
  try {
    const { callId, outcome } = JSON.parse(line) as { callId?: unknown; outcome?: unknown }
    if (typeof callId !== 'string') return null
    return outcome === 'relayed' || outcome === 'unanswered' || outcome === 'refused' ? { callId, outcome } : null
  } catch {
    return null
  }
}
