/** A name service that knows what a test told it. */
import type { NameService } from '../next-hop/name-service.ts'
import { noRecords, type Question, type Records } from '../next-hop/resolution.ts'

export interface TestNames extends NameService {
  /** Questions asked so far, as `SRV _sip._udp.example`. */
  readonly asked: string[]
}

/** @param known records by question, or `silent` for a server that does not answer; every other name is not there. */
export function createNames(
  known: Readonly<Record<string, Partial<Records> | 'silent'>> = {},
  ttlS: number | null = null
): TestNames {
  const asked: string[] = []
  return {
    asked,
    ask: ({ type, name }: Question, answered) => {
      asked.push(`${type} ${name}`)
      const records = known[`${type} ${name}`]
      answered(records === 'silent' ? null : { records: { ...noRecords, ...records }, ttlS })
    },
    close: () => undefined
  }
}
