import type { Callee } from '#kernel'
import type { IfMessage } from './message.ts'

/** What the escalation needs of the registry. */
export interface ExpertDirectory {
  readonly byId: (id: string) => Callee | undefined
  /** Experts called for a hazard, in the order of the registry. */
  readonly bySpecialisation: (hazard: string) => readonly Callee[]
}

export interface CallPolicy {
  /** `required`: experts are called over TLS only. */
  readonly tls: 'required' | 'preferred'
  /** Whether a contrarian is called: when asked for, with every escalation, or never. */
  readonly contrarian: 'on-request' | 'always' | 'never'
}

/** A plan, or why there is none. */
export type Plan =
  | {
      readonly ok: true
      readonly experts: readonly Callee[]
      /** Empty when a contrarian is wanted and none is there; null when none is wanted. */
      readonly contrarians: readonly Callee[] | null
    }
  | { readonly ok: false; readonly code: string; readonly reason: string }

/** Whether a contact is reached over TLS from the edge on. */
export const isSecure = (contact: string): boolean => /^sips:/i.test(contact) || /;transport=(?:tls|wss)(?:;|$)/i.test(contact)

/** Whom an escalation calls. Pure. */
export function planEscalation({ payload }: IfMessage, directory: ExpertDirectory, policy: CallPolicy): Plan {
  const specialisation = payload.specialisation ?? payload.hazard
  const all = directory.bySpecialisation(specialisation)
  const named = payload.expert === null ? null : directory.byId(payload.expert)
  if (named === undefined) return refused('escalate.expert.unknown', 'the registry knows no such expert')
  const asked = policy.contrarian === 'always' || (policy.contrarian === 'on-request' && payload.contrarian)
  const candidates = named === null ? all.filter(({ contrarian }) => !contrarian) : [named]
  if (candidates.length === 0)
    return refused('escalate.specialisation.empty', `the registry knows no expert for ${specialisation}`)
  const experts = candidates.filter(reachable(policy))
  if (experts.length === 0) return refused('escalate.contact.insecure', 'no expert can be called over TLS, which policy demands')
  return {
    ok: true,
    experts,
    contrarians: asked ? all.filter(({ contrarian, id }) => contrarian && id !== named?.id).filter(reachable(policy)) : null
  }
}

const refused = (code: string, reason: string): Plan => ({ ok: false, code, reason })

const reachable =
  ({ tls }: CallPolicy) =>
  ({ contact }: Callee): boolean =>
    tls === 'preferred' || isSecure(contact)
