import type { GuardDecision, WitnessReceipt } from '#kernel'
import type { CallPorts } from '#suite'

const receipt: WitnessReceipt = { state: 'committed', index: 0, hash: '0'.repeat(64) }

/** Fakes that cost nothing: a guard that approves everything at once, and a witness that keeps nothing and resolves at once. */
const free: CallPorts = {
  guard: {
    decide: (_context, { edge, hazard }) =>
      Promise.resolve<GuardDecision>({
        verdict: 'approve',
        layer: 'policy',
        code: 'guard.approved',
        reason: '',
        security: false,
        expertId: edge.authenticatedUser,
        hazard,
        findings: []
      })
  },
  witness: { record: () => Promise.resolve(receipt) }
}

export interface SwitchedPorts {
  readonly callPorts: (real: CallPorts) => CallPorts
  /** Whether calls pass the real guard and the real ledger. Change it while there is no call. */
  readonly use: (real: boolean) => void
}

/** Ports that lead to the real parts or to the fakes, whichever is in use; at first to the real ones. */
export function switchedPorts(): SwitchedPorts {
  let isReal = true
  return {
    use: (real) => {
      isReal = real
    },
    callPorts: (real) => ({
      guard: { decide: (context, request) => (isReal ? real : free).guard.decide(context, request) },
      witness: { record: (event, haste) => (isReal ? real : free).witness.record(event, haste) }
    })
  }
}
