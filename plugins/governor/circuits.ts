import { InfraFabricError, newTraceId, step } from '#kernel'
import type { WitnessedStore, WitnessedTransaction } from '#store'
import { type Circuit, type CircuitEvent, type CircuitState, circuitMachine, newCircuit } from './circuit.ts'

export interface Circuits {
  readonly circuits: () => Promise<{ readonly component: string; readonly circuit: Circuit }[]>
  readonly circuit: (component: string) => Promise<Circuit>
  /** Closes it, whatever it was; that of a swarm with those of its kinds of tasks. */
  readonly resetCircuit: (component: string) => Promise<Circuit>
  /** @throws {InfraFabricError} `governor.circuit` */
  readonly configureCircuit: (component: string, threshold: number, coolMs?: number) => Promise<Circuit>
}

const componentPattern = /^[A-Za-z0-9._-]{1,140}$/
export const circuitKey = (component: string): string => `circuit/${component}`
/** The components whose circuits a task of a swarm closes and opens: the swarm, and the swarm for each root of what the task requires. */
export const componentsOf = (swarm: string, roots: readonly string[]): string[] => [
  `swarm.${swarm}`,
  ...roots.map((root) => `swarm.${swarm}.${root}`)
]

const swarmOf = (component: string): string => component.split('.').slice(0, 2).join('.')

/** A circuit with the settings of its swarm where it has none of its own. */
function settled(own: Circuit | null, ofSwarm: Circuit | null): Circuit {
  if (own?.configured) return own
  const { threshold, coolMs } = ofSwarm ?? newCircuit
  return { ...(own ?? newCircuit), threshold, coolMs }
}

/** A circuit as it is. */
export async function circuitIn(transaction: Pick<WitnessedTransaction, 'get'>, component: string): Promise<Circuit> {
  const own = await transaction.get<Circuit>(circuitKey(component))
  return settled(own, own?.configured ? null : await transaction.get<Circuit>(circuitKey(swarmOf(component))))
}

/** A circuit among all that were read, by component. */
export const circuitAmong = (circuits: ReadonlyMap<string, Circuit>, component: string): Circuit =>
  settled(circuits.get(component) ?? null, circuits.get(swarmOf(component)) ?? null)

/** Steps a circuit; a change of its state is told and witnessed. */
export async function stepCircuit(
  transaction: WitnessedTransaction,
  component: string,
  event: CircuitEvent,
  traceId: string
): Promise<Circuit> {
  const before = await circuitIn(transaction, component)
  const { state, effects, allowed } = step<CircuitState, CircuitEvent, Partial<Circuit>, Circuit>(
    circuitMachine,
    before.state,
    event,
    before
  )
  if (!allowed) return before
  const after: Circuit = { ...before, ...Object.assign({}, ...effects), state }
  transaction.put(circuitKey(component), after)
  if (state !== before.state) {
    const facts = { component, previous: before.state, state, failures: after.failures, threshold: after.threshold }
    transaction.tell(`circuit.${state}.${component.replaceAll('.', '-')}`, facts)
    transaction.witness({ event: 'circuit_changed', component: 'IF.governor', traceId, payload: facts })
  }
  return after
}

export function createCircuits({ store, transact }: WitnessedStore): Circuits {
  const checked = (component: string): string => {
    if (!componentPattern.test(component))
      throw new InfraFabricError(
        'governor.circuit',
        `${JSON.stringify(component).slice(0, 100)} is no component: expected swarm.NAME or swarm.NAME.ROOT`
      )
    return component
  }
  return {
    circuits: async () =>
      (await store.list(circuitKey(''))).records.map(({ key, value }) => ({
        component: key.slice(circuitKey('').length),
        circuit: value as Circuit
      })),
    circuit: async (component) =>
      ((await store.read([circuitKey(checked(component))])).records[0]?.value ?? newCircuit) as Circuit,
    resetCircuit: async (component) => {
      const under = (await store.list(`${circuitKey(checked(component))}.`)).records.map(({ key }) =>
        key.slice(circuitKey('').length)
      )
      return transact(async (transaction) => {
        const traceId = newTraceId()
        for (const each of under) await stepCircuit(transaction, each, { type: 'reset' }, traceId)
        return stepCircuit(transaction, component, { type: 'reset' }, traceId)
      })
    },
    configureCircuit: async (component, threshold, coolMs) => {
      checked(component)
      if (!(Number.isInteger(threshold) && threshold >= 1 && threshold <= 1000))
        throw new InfraFabricError('governor.circuit', `a threshold of ${threshold}: expected 1 to 1000 failures in a row`)
      if (coolMs !== undefined && !(Number.isInteger(coolMs) && coolMs >= 100 && coolMs <= 86_400_000))
        throw new InfraFabricError('governor.circuit', `open for ${coolMs} ms: expected 100 to 86400000`)
      return transact(async (transaction) => {
        const before = await circuitIn(transaction, component)
        const after: Circuit = { ...before, threshold, coolMs: coolMs ?? before.coolMs, configured: true }
        transaction.put(circuitKey(component), after)
        transaction.witness({
          event: 'circuit_configured',
          component: 'IF.governor',
          traceId: newTraceId(),
          payload: { component, threshold, coolMs: after.coolMs, before: { threshold: before.threshold, coolMs: before.coolMs } }
        })
        return after
      })
    }
  }
}
