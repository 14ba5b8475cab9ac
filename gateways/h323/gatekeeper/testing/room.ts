import type { ExecutionContext } from 'ava'
import type { AdmissionConfirm, RasMessage } from '../../h225/h225.ts'
import { type Bench, type BenchOptions, startBench } from './fakes.ts'
import { arq, openRasClient, type RasClient, rrq } from './ras-client.ts'

export interface Room extends Bench {
  readonly open: () => Promise<RasClient>
  /** Registers and gives the endpoint identifier. */
  readonly join: (client: RasClient, ...names: string[]) => Promise<string>
}

/** A gatekeeper and its endpoints, for the length of a test. */
export async function room(t: ExecutionContext, options: BenchOptions = {}): Promise<Room> {
  const bench = await startBench(options)
  t.teardown(bench.close)
  const open = async (): Promise<RasClient> => {
    const client = await openRasClient(bench.gatekeeper.address)
    t.teardown(client.close)
    return client
  }
  const join = async (client: RasClient, ...names: string[]): Promise<string> => {
    const rcf = await client.ask(rrq(client, names))
    if (rcf.type !== 'registrationConfirm') throw new Error(`not registered: ${reasonOf(rcf)}`)
    return rcf.value.endpointIdentifier
  }
  return { ...bench, open, join }
}

/** Asks for admission and gives the ACF. */
export async function admit(
  client: RasClient,
  id: string,
  call: number,
  names: string[],
  more: Parameters<typeof arq>[4] = {}
): Promise<AdmissionConfirm> {
  const acf = await client.ask(arq(client, id, call, names, more))
  if (acf.type !== 'admissionConfirm') throw new Error(`not admitted: ${reasonOf(acf)}`)
  return acf.value
}

/** The reason of a reject, or the name of what is none. */
export const reasonOf = (message: RasMessage): string =>
  'value' in message && 'rejectReason' in message.value ? (message.value.rejectReason as { type: string }).type : message.type
