import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext, TestFn } from 'ava'
import type { WitnessEvent } from '#kernel'
import { openStore, type StorePlace, type WitnessedStore, witnessedStore } from '#store'
import { type RedisServer, startRedis } from '../../../ledger/testing/redis-server.ts'
import { type Chassis, type ChassisConfig, createChassis } from '../chassis.ts'
import type { Services } from '../services.ts'

export interface Bench {
  readonly chassis: Chassis
  readonly witnessed: WitnessedStore
  /** What was told to the ledger, in order. */
  readonly events: WitnessEvent[]
  /** Another chassis on the same state, as another process has one. */
  readonly another: (config?: Partial<ChassisConfig>) => Promise<Chassis>
}

/** Registers each test twice: on a store of SQLite, and on one of a real Redis server. */
export function testerOnBothStores(test: TestFn) {
  let redis: RedisServer | null = null
  let stores = 0
  test.before(async () => {
    redis = await startRedis()
  })
  test.after.always(() => redis?.stop())

  return (title: string, services: Services, work: (t: ExecutionContext, bench: Bench) => Promise<void>): void => {
    for (const kind of ['sqlite', 'redis'] as const)
      test(`${kind}: ${title}`, async (t) => {
        const folder = await mkdtemp(join(tmpdir(), 'chassis-'))
        const place: StorePlace =
          kind === 'sqlite' ? { kind, path: join(folder, 'state.db') } : { kind, url: redis!.url, name: `chassis${++stores}` }
        const events: WitnessEvent[] = []
        const opened: WitnessedStore[] = []
        const open = async (): Promise<WitnessedStore> => {
          const witnessed = witnessedStore(await openStore(place), async (told) => {
            events.push(...told.map(({ event }) => event))
          })
          opened.push(witnessed)
          return witnessed
        }
        const chassisOn = (witnessed: WitnessedStore, config: Partial<ChassisConfig> = {}) =>
          createChassis(witnessed, { folder: join(folder, 'modules'), services, ...config })
        try {
          const witnessed = await open()
          await work(t, {
            chassis: chassisOn(witnessed),
            witnessed,
            events,
            another: async (config) => chassisOn(await open(), config)
          })
        } finally {
          for (const each of opened) await each.close()
          await rm(folder, { recursive: true })
        }
      })
  }
}
