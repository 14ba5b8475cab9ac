/** Codes in words, for those who read the page; what has none is shown as it is. */
import type { NoticeCode } from '../../signals.ts'

const guardWords: Readonly<Record<string, string>> = {
  'guard.approved': 'approved',
  'guard.registered.expert': 'a registered expert',
  'guard.registered.guardian': 'a registered Guardian',
  'guard.registered.unknown': 'nobody in the registry',
  'guard.registered.unauthenticated': 'has not proved who it is',
  'guard.registered.identity-mismatch': 'proved to be somebody else',
  'guard.registered.certificate-missing': 'showed no certificate',
  'guard.registered.certificate-mismatch': 'showed another certificate',
  'guard.specialisation.matched': 'is called for this hazard',
  'guard.specialisation.guardian': 'Guardians deliberate on every hazard',
  'guard.specialisation.mismatch': 'is not called for this hazard',
  'guard.specialisation.missing-hazard': 'named no hazard',
  'guard.specialisation.unknown-hazard': 'named a hazard that there is not',
  'guard.rate.within': 'within its calls a minute',
  'guard.rate.exceeded': 'too many calls a minute',
  'guard.signature.verified': 'signature verified',
  'guard.signature.not-required': 'unsigned, which it may be',
  'guard.signature.missing': 'not signed',
  'guard.signature.invalid': 'signature not valid',
  'guard.signature.replayed': 'signature used before',
  'guard.signature.stale': 'signature too old',
  'guard.identity.verified': 'caller identity vouched for',
  'guard.identity.absent': 'no caller identity given'
}

/** What a code of IF.guard means. */
export const guardText = (code: string): string => guardWords[code] ?? code

const notices: Readonly<Record<NoticeCode, string>> = {
  'motion.unknown': 'There is no such motion any more.',
  'motion.closed': 'The motion is closed.',
  'motion.too-many': 'Too many motions are open.',
  'motion.not-yours': 'Only who has opened a motion closes it.',
  'motion.about': 'The call it is about is not known here.',
  'vote.none': 'This seat has no vote.',
  'vote.sequence': 'Your vote has changed elsewhere: look again.',
  'vote.signature': 'The vote’s signature is not good.',
  'data.nobody': 'Nobody was there to get the message.',
  'witness.unrecorded': 'It could not be recorded, so it does not count.'
}

export const noticeText = (code: NoticeCode): string => notices[code]
