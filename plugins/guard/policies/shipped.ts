import { policy as identity } from './identity/policy.ts'
import type { Policy } from './policy.ts'
import { policy as rate } from './rate/policy.ts'
import { policy as registered } from './registered/policy.ts'
import { policy as signature } from './signature/policy.ts'
import { policy as specialisation } from './specialisation/policy.ts'

/** The policies that come with the suite, in the order in which the rules of the suite read what they say. */
export const shippedPolicies: readonly Policy[] = [registered, specialisation, rate, signature, identity]
