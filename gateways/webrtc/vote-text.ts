/** What a vote's signature covers. For pages, agents and auditors alike: nothing of Node is needed. */

export const choices = ['yes', 'no', 'abstain'] as const
export type Choice = (typeof choices)[number]

export interface SignedVote {
  /** Id of the motion, 32 hex digits. */
  readonly motion: string
  readonly conference: string
  /** Registry id of the party that has the seat. */
  readonly party: string
  /** 1 for the party's first vote on the motion; each change counts one up. */
  readonly sequence: number
  readonly choice: Choice
  /** What was put to the vote: one line. */
  readonly title: string
}

/**
 * The text that is signed: seven lines, UTF-8, none ends with a line break.
 *
 *     council-vote/1 · motion · conference · party · sequence · choice · title
 */
export const voteText = ({ motion, conference, party, sequence, choice, title }: SignedVote): string =>
  ['council-vote/1', motion, conference, party, sequence, choice, title].join('\n')
