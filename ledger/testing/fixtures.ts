import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { silentLog, systemClock, type WitnessEvent } from '#kernel'
import { createWitness, draftEntry, type Ledger, ledgerFiles, openLedger, verifyLedger } from '#ledger'

export const origin = 'test.example/witness'

/** The same for the same number: an event that is told again is the same event. */
const traceOf = (n: number): string => n.toString(16).padStart(32, '0')

export function eventNumber(n: number, more: Partial<WitnessEvent> = {}): WitnessEvent {
  return { event: 'test_event', component: 'IF.test', traceId: traceOf(n), payload: { n, callId: `call-${n}` }, ...more }
}

/** A folder that is gone after the test. */
export function scratch(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'ledger-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export async function openTestLedger(t: ExecutionContext, dir = scratch(t)): Promise<Ledger & { readonly dir: string }> {
  const ledger = await openLedger({ dir, origin, log: silentLog })
  t.teardown(() => ledger.close())
  return { ...ledger, dir }
}

export async function openTestWitness(t: ExecutionContext, ledger: Pick<Ledger, 'append'>, spoolDir: string) {
  const witness = await createWitness({ ledger, spoolDir, clock: systemClock, log: silentLog, retryMs: [20, 100] })
  t.teardown(() => witness.close())
  return witness
}

export function verify(dir: string, vkey: string, pinned: readonly string[] = [], published = true) {
  const files = ledgerFiles(dir)
  return verifyLedger(files.database, { vkey, pinned, ...(published ? { publishedPath: files.published } : {}) })
}

export const items = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    draft: draftEntry(eventNumber(from + i), 1_767_225_600_000 + from + i),
    key: `k${from + i}`
  }))
