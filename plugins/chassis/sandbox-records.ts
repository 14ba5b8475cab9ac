/** Sandboxes as the store has them, and how what is done with one is told: an entry of the ledger, and a record of its audit trail. */
import { randomUUID } from 'node:crypto'
import { InfraFabricError, type JsonObject } from '#kernel'
import type { StateStore, WitnessedTransaction } from '#store'
import { eachRecord } from './records.ts'
import type { AuditRecord, Sandbox } from './sandbox.ts'

const component = 'IF.chassis'
const idPattern = /^[A-Za-z0-9_-]{1,64}$/
const mostRecords = 10_000

/** A moment as text that sorts as time goes on. */
export const moment = (at: number): string => String(at).padStart(15, '0')

/** Without the last part each is the prefix of all there are. */
export const keys = {
  sandbox: (id = '') => `sandbox/${id}`,
  grants: 'sandbox-grant/',
  grant: (sandbox: string, grant = '') => `sandbox-grant/${sandbox}/${grant}`,
  log: (sandbox: string, name = '') => `sandbox-log/${sandbox}/${name}`,
  audit: (sandbox: string, name = '') => `sandbox-audit/${sandbox}/${name}`
}

export const fail = (code: string, message: string): InfraFabricError => new InfraFabricError(`chassis.${code}`, message)

/** @throws {InfraFabricError} `chassis.id` */
export function checked(id: string, of = 'sandbox'): string {
  if (!idPattern.test(id))
    throw fail('id', `${JSON.stringify(id).slice(0, 80)} is no name of a ${of}: expected 1-64 characters of A-Z a-z 0-9 _ -`)
  return id
}

/** @throws {InfraFabricError} `chassis.id`, `chassis.unknown` */
export async function existing(transaction: WitnessedTransaction, id: string): Promise<Sandbox> {
  const sandbox = await transaction.get<Sandbox>(keys.sandbox(checked(id)))
  if (sandbox === null) throw fail('unknown', `there is no sandbox ${id}`)
  return sandbox
}

/** @throws {InfraFabricError} `chassis.id`, `chassis.unknown` */
export async function readSandbox(store: StateStore, id: string): Promise<Sandbox> {
  const sandbox = (await store.read([keys.sandbox(checked(id))])).records[0]?.value ?? null
  if (sandbox === null) throw fail('unknown', `there is no sandbox ${id}`)
  return sandbox as Sandbox
}

/** Records under a prefix, in the order of their keys. */
export async function allRecords<T>(store: StateStore, prefix: string): Promise<{ key: string; value: T }[]> {
  const found: { key: string; value: T }[] = []
  for await (const { key, value } of eachRecord(store, prefix)) {
    found.push({ key, value: value as T })
    if (found.length >= mostRecords) break
  }
  return found
}

/** Tells what is done with a sandbox when the transaction commits. */
export function note(transaction: WitnessedTransaction, { id, traceId }: Sandbox, event: string, facts: JsonObject): void {
  const record: AuditRecord = { at: transaction.at, event, traceId, facts }
  transaction.put(keys.audit(id, `${moment(transaction.at)}-${randomUUID()}`), record)
  transaction.tell(`sandbox.${event.replace(/^sandbox_/, '')}.${id}`, facts)
  transaction.witness({ event, component, traceId, payload: { sandbox: id, ...facts } })
}
