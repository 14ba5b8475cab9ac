/** The ledger, the witness that everybody tells, and the service through which both are asked. */
import type { Clock, Log } from '#kernel'
import { createWitness, type Ledger, type LedgerService, type LocalWitness, openLedger } from '#ledger'
import { removeControl } from '../control.ts'
import type { DataLayout } from '../data/layout.ts'
import type { SuiteConfig } from '../settings/settings.ts'

export interface RunningLedger {
  readonly ledger: Ledger
  readonly witness: LocalWitness
  /** Null where it is off. */
  readonly service: LedgerService | null
  readonly close: () => Promise<void>
}

/** @param serve starts the service on both */
export async function startLedger(
  config: SuiteConfig,
  layout: DataLayout,
  clock: Clock,
  log: Log,
  serve: (parts: { readonly ledger: Ledger; readonly witness: LocalWitness }) => Promise<LedgerService | null>
): Promise<RunningLedger> {
  const ledger = await openLedger({
    dir: layout.ledger,
    origin: config.origin,
    store: config.ledger.store,
    log: log.child({ part: 'ledger' })
  })
  const witness = await createWitness({ ledger, spoolDir: layout.spool, clock, log: log.child({ part: 'witness' }) })
  try {
    const service = await serve({ ledger, witness })
    return {
      ledger,
      witness,
      service,
      close: async () => {
        if (service !== null) await removeControl(layout.control)
        await service?.close()
        await witness.close()
        await ledger.close()
      }
    }
  } catch (error) {
    await witness.close()
    await ledger.close()
    throw error
  }
}
