import type { Clock } from '#kernel'
import { parseAuthSchemes } from '../codec/digest.ts'
import { headerLines, type SipRequest, type SipResponse } from '../codec/message.ts'
import type { Path } from '../next-hop/paths.ts'
import { createMemory } from './memory.ts'

/** The challenge of a destination, so that the answer goes where the question came from. */
interface Challenger {
  readonly uri: string
  readonly path: Path
}

/** Who asked for credentials, for a moment: what brings them goes there. */
export interface Challenges {
  readonly remember: (response: SipResponse, uri: string, path: Path) => void
  /** Who asked for the credentials in a request. */
  readonly of: (request: SipRequest) => Challenger[]
  readonly clear: () => void
}

const challengeMs = 2000
const maxRemembered = 10_000

export function createChallenges(clock: Clock): Challenges {
  const challengers = createMemory<Challenger>(challengeMs, maxRemembered)
  return {
    remember: (response, uri, path) => {
      for (const nonce of noncesOf(response, ['www-authenticate', 'proxy-authenticate'])) {
        challengers.keep(nonce, { uri, path }, clock.monotonicMs())
      }
    },
    of: (request) => {
      if (challengers.size() === 0) return []
      return noncesOf(request, ['authorization', 'proxy-authorization'])
        .map((nonce) => challengers.recall(nonce, clock.monotonicMs()))
        .filter((each) => each !== undefined)
    },
    clear: challengers.clear
  }
}

function noncesOf(message: SipRequest | SipResponse, keys: readonly string[]): string[] {
  return keys
    .flatMap((key) => headerLines(message, key))
    .flatMap((value) => parseAuthSchemes(value) ?? [])
    .map(({ params }) => params.get('nonce'))
    .filter((nonce) => nonce !== undefined)
}
