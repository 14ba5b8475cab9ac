/** A call that is to take the place of another: the Replaces header. @see RFC 3891 §3, §6.1 */
import { type OwnRefusalCode, type Refusal, refusal } from '../message/refusal.ts'

/** The dialog that a call is to replace, its tags as we see them. */
export interface Replaces {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  /** Only a dialog that has not been answered may be replaced. */
  readonly earlyOnly: boolean
}

const word = '[^\\s;,"]'
const callIdForm = new RegExp(`^${word}{1,256}$`)
const tagForm = new RegExp(`^${word}{1,128}$`)

/** Reads a Replaces value; null when it cannot be read. */
export function readReplaces(value: string): Replaces | null {
  if (value.length > 1024) return null
  const [callId = '', ...parameters] = value.split(';').map((part) => part.trim())
  const found = new Map<string, string>()
  for (const parameter of parameters) {
    const [name = '', text = ''] = parameter.split('=', 2).map((part) => part.trim())
    if (found.has(name.toLowerCase())) return null
    found.set(name.toLowerCase(), text)
  }
  const localTag = found.get('to-tag') ?? ''
  const remoteTag = found.get('from-tag') ?? ''
  if (!callIdForm.test(callId) || !tagForm.test(localTag) || !tagForm.test(remoteTag)) return null
  return { callId, localTag, remoteTag, earlyOnly: found.has('early-only') }
}

/** A call as Replaces looks at it. */
export interface Replaceable {
  readonly snapshot: () => { readonly callId: string }
  readonly tags: () => { readonly local: string; readonly remote: string } | null
}

/**
 * Finds the call to be replaced among those with a dialog. A call that was not answered yet has none: whoever rings is the council, which has no second phone
 * to pick up with.
 *
 * @param allowed whether policy lets calls be handed over
 */
export function findReplaced<T extends Replaceable>(
  { callId, localTag, remoteTag, earlyOnly }: Replaces,
  calls: Iterable<T>,
  allowed: boolean
): { readonly ok: true; readonly call: T } | { readonly ok: false; readonly refusal: Refusal } {
  const no = (code: OwnRefusalCode, reason: string) => ({ ok: false, refusal: refusal(code, reason) }) as const
  if (!allowed) return no('sip.replaces.forbidden', 'calls are not handed over here')
  for (const call of calls) {
    const tags = call.tags()
    if (call.snapshot().callId !== callId || tags?.local !== localTag || tags.remote !== remoteTag) continue
    return earlyOnly ? no('sip.replaces.answered', 'the call to be replaced has been answered') : { ok: true, call }
  }
  return no('sip.replaces.unknown', 'no call has the dialog to be replaced')
}
