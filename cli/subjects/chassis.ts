import { join } from 'node:path'
import { type Chassis, createChassis, type EscalateHazard, readServices } from '#chassis'
import type { Coordinator } from '#coordinator'
import type { EscalationView, IfMessageInput } from '#escalate'
import type { StateStore } from '#store'
import { dataFolder } from '../command.ts'
import type { Arguments } from '../line/arguments.ts'
import type { Output } from '../show/output.ts'
import { askSuite } from './control.ts'
import { hazardList } from './hazards.ts'
import { withPlugins } from './plugins.ts'

/** How long the suite may take to begin an escalation. */
const escalateWithinMs = 10_000

/** Has the running suite escalate what runs raise, as `ifctl escalate` does. */
const bySuite =
  (args: Arguments, output: Output): EscalateHazard =>
  async ({ hazard, summary, swarm, traceId, key }) => {
    const message: IfMessageInput = {
      performative: 'escalate',
      sender: `if://swarm/${swarm}`,
      message_id: key,
      payload: { hazard, summary, trace_id: traceId }
    }
    const { escalation } = (await askSuite(args, '/v1/escalations', message, AbortSignal.timeout(escalateWithinMs), {
      'idempotency-key': key
    })) as { escalation: EscalationView }
    output.talk(`hazard ${hazard} raised: escalation ${escalation.id}`)
    return { ok: true, reference: escalation.id }
  }

/** Opens the chassis on the state of the data folder; its modules and services are in the folder `chassis` there. */
export function withChassis<T>(
  args: Arguments,
  output: Output,
  use: (chassis: Chassis, store: StateStore, coordinator: Coordinator) => Promise<T>
): Promise<T> {
  const folder = join(dataFolder(args), 'chassis')
  const hazards = hazardList(args)
  return withPlugins(args, output, ({ witnessed, coordinator }) => {
    const services = readServices(join(folder, 'services.json'))
    const config = { folder: join(folder, 'modules'), services, hazards, escalate: bySuite(args, output) }
    return use(createChassis(witnessed, config), witnessed.store, coordinator)
  })
}

/** A signal that is aborted by SIGINT and SIGTERM, while `use` runs. */
export async function untilTold<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const told = new AbortController()
  const stop = (): void => told.abort()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
  try {
    return await use(told.signal)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
  }
}
