/** Logs of sandboxes, kept in the store as they come. */
import type { WitnessedStore } from '#store'
import type { LogPart } from './sandbox.ts'
import { allRecords, keys, moment, readSandbox } from './sandbox-records.ts'

export interface Logs {
  /** @throws {InfraFabricError} `chassis.unknown` */
  readonly logs: (id: string) => Promise<LogPart[]>
  /** What is logged from now on, as it comes. */
  readonly followLogs: (id: string, signal: AbortSignal) => AsyncIterable<LogPart>
}

/** Takes the log of one run. */
export interface LogKeeper {
  readonly add: (stream: 1 | 2, octets: Buffer) => void
  /** Resolves when all of it is in the store. */
  readonly close: () => Promise<void>
}

const logEachMs = 200

export const createLogs = ({ store }: WitnessedStore): Logs => ({
  logs: async (id) => {
    await readSandbox(store, id)
    return (await allRecords<LogPart>(store, keys.log(id))).map(({ value }) => value)
  },
  followLogs: async function* (id, signal) {
    await readSandbox(store, id)
    for await (const { data } of store.watch({ after: 'newest', pattern: `sandbox.log.${id}`, signal })) {
      const part = (await store.read([String(data.key)])).records[0]?.value
      if (part !== undefined) yield part as LogPart
    }
  }
})

/** Keeps a log in the store, some times a second. */
export function keepLog({ transact }: WitnessedStore, id: string): LogKeeper {
  let parts: { stream: number; octets: Buffer }[] = []
  let count = 0
  let writing = Promise.resolve()
  const write = (): Promise<void> => {
    const [now, name] = [parts, ++count]
    parts = []
    if (now.length === 0) return writing
    writing = writing.then(() =>
      transact(async ({ at, put, tell }) => {
        let part = 0
        for (const stream of [1, 2]) {
          const octets = Buffer.concat(now.filter((each) => each.stream === stream).map((each) => each.octets))
          // a character of JSON takes up to six octets, and a value has 256 KiB
          for (let from = 0; from < octets.length; from += 32_768) {
            const text = octets.toString('utf8', from, from + 32_768)
            const key = keys.log(id, `${moment(at)}-${String(name).padStart(6, '0')}-${String(part++).padStart(4, '0')}`)
            put(key, { at, stream, text })
            tell(`sandbox.log.${id}`, { key })
          }
        }
      })
    )
    return writing
  }
  const timer = setInterval(() => void write().catch(() => {}), logEachMs)
  return {
    add: (stream: 1 | 2, octets: Buffer) => void parts.push({ stream, octets }),
    close: async () => {
      clearInterval(timer)
      await write()
    }
  }
}
