/** Who presents in a conference: the token of H.239, kept by the MC. No sockets, no clock. @see H.239 §11 */
import { type PresentationMessage, presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'

export interface Presentation {
  readonly owner: () => string | null
  /**
   * Takes a message of a terminal; null when it is none of H.239.
   *
   * @param label of the terminal: MCU number and terminal number as one
   * @returns answers to that terminal, and what the others are told
   */
  readonly take: (participant: string, label: number, message: MultimediaSystemControlMessage) => PresentationOutcome | null
  /** The terminal has gone, or has closed its channel. @returns whether it presented */
  readonly end: (participant: string) => boolean
}

export interface PresentationOutcome {
  readonly answer: MultimediaSystemControlMessage | null
  readonly others: MultimediaSystemControlMessage | null
  /** Nobody presents any more. */
  readonly ended: boolean
}

const nothing: PresentationOutcome = { answer: null, others: null, ended: false }

export function createPresentation(): Presentation {
  let owner: string | null = null
  const said = (message: MultimediaSystemControlMessage): PresentationMessage | undefined => {
    if (message.type === 'unknownExtension' || !/^generic(?:Request|Response|Command|Indication)$/.test(message.value.type))
      return undefined
    const { value } = message.value as { readonly value: Parameters<typeof presentationMessageOf>[0] }
    return presentationMessageOf(value)
  }
  return {
    owner: () => owner,
    take(participant, label, message) {
      const asked = said(message)
      if (asked === undefined) return null
      const { channelId } = asked
      switch (asked.type) {
        case 'presentationTokenRequest': {
          // whoever presents goes on until it ends
          const accepted = owner === null || owner === participant
          if (accepted) owner = participant
          return {
            answer: presentationMessage({ type: 'presentationTokenResponse', terminalLabel: label, channelId, accepted }),
            others: accepted
              ? presentationMessage({ type: 'presentationTokenIndicateOwner', terminalLabel: label, channelId })
              : null,
            ended: false
          }
        }
        case 'presentationTokenRelease': {
          const ended = owner === participant
          if (ended) owner = null
          return { answer: null, others: null, ended }
        }
        case 'flowControlReleaseRequest':
          // there is no rate here that could be raised
          return { ...nothing, answer: presentationMessage({ type: 'flowControlReleaseResponse', channelId, accepted: false }) }
        default:
          return nothing
      }
    },
    end: (participant) => {
      const was = owner === participant
      if (was) owner = null
      return was
    }
  }
}
