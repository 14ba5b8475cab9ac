/** Guardian seats for tests: real witnesses on loopback, and the policy that names them. */
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { readCosigner } from '../log/cosignature.ts'
import { formatVerifierKey, generateSigningKey, type NoteSigner, type NoteVerifier, parseVerifierKey } from '../log/note.ts'
import { openSeatState } from '../seat/seat-state.ts'
import { type SeatServer, serveSeat } from '../seat/serve.ts'
import { scratch } from './fixtures.ts'

export interface TestSeat {
  readonly name: string
  readonly cosigner: NoteSigner
  /** Keys of the logs it watches. */
  readonly logs: NoteVerifier[]
  readonly url: string
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

/** A seat that watches the log with this public key, once it has one. */
export async function openTestSeat(t: ExecutionContext, name: string): Promise<TestSeat> {
  const cosigner = readCosigner(`${name}.example`, generateSigningKey())
  const statePath = join(scratch(t), 'seat.db')
  const logs: NoteVerifier[] = []
  let server: SeatServer | null = null
  let state = openSeatState(statePath, true)
  let port = 0
  const start = async () => {
    if (server !== null) return
    state = openSeatState(statePath, false)
    server = await serveSeat({ state, cosigner, logs: () => logs, now: () => Date.now(), log: silentLog }, '127.0.0.1', port)
    port = server.port
  }
  const stop = async () => {
    await server?.close()
    server = null
    state.close()
  }
  state.close()
  await start()
  t.teardown(stop)
  return { name, cosigner, logs, url: `http://127.0.0.1:${port}`, start, stop }
}

/** A policy that asks for `threshold` of these seats. */
export function policyOf(seats: readonly TestSeat[], threshold: number): string {
  const lines = seats.map(({ name, cosigner, url }) => `witness ${name} ${formatVerifierKey(cosigner)} ${url}\n`)
  return `${lines.join('')}group council ${threshold} ${seats.map(({ name }) => name).join(' ')}\nquorum council\n`
}

export const watch = (seats: readonly TestSeat[], vkey: string): void => {
  for (const { logs } of seats) logs.push(parseVerifierKey(vkey))
}
