/** Who presents in a conference: the token of H.239, kept by the MC. No sockets, no clock. @see H.239 §11 */
import { type PresentationMessage, presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'

/** What owns the token where the conference itself presents. */
export const house = Symbol('house')

export interface Presentation {
  readonly owner: () => string | typeof house | null
  /** The conference itself presents from now on. @returns false while a terminal does */
  readonly begin: () => boolean
  /**
   * Takes a message of a terminal; null when it is none of H.239.
   *
   * @param label of the terminal: MCU number and terminal number as one
   * @param mayDisplace whether this terminal gets the token while the conference itself presents
   * @returns answers to that terminal, and what the others are told
   */
  readonly take: (
    participant: string,
    label: number,
    message: MultimediaSystemControlMessage,
    mayDisplace: (symmetryBreaking: number) => boolean
  ) => PresentationOutcome | null
  /** The terminal has gone, or has closed its channel; the conference has nothing to show any more. @returns whether it presented */
  readonly end: (owner: string | typeof house) => boolean
}

export interface PresentationOutcome {
  readonly answer: MultimediaSystemControlMessage | null
  readonly others: MultimediaSystemControlMessage | null
  /** Who has given up, or lost, the token. */
  readonly ended: string | typeof house | null
  /** A terminal's answer to a request of the conference. */
  readonly granted: { readonly channelId: number; readonly accepted: boolean } | null
}

const nothing: PresentationOutcome = { answer: null, others: null, ended: null, granted: null }

export function createPresentation(): Presentation {
  let owner: string | typeof house | null = null
  const said = (message: MultimediaSystemControlMessage): PresentationMessage | undefined => {
    if (message.type === 'unknownExtension' || !/^generic(?:Request|Response|Command|Indication)$/.test(message.value.type))
      return undefined
    const { value } = message.value as { readonly value: Parameters<typeof presentationMessageOf>[0] }
    return presentationMessageOf(value)
  }
  return {
    owner: () => owner,
    begin: () => {
      owner ??= house
      return owner === house
    },
    take(participant, label, message, mayDisplace) {
      const asked = said(message)
      if (asked === undefined) return null
      const { channelId } = asked
      switch (asked.type) {
        case 'presentationTokenRequest': {
          // whoever presents goes on until it ends; the conference itself gives way to people
          const displaces = owner === house && mayDisplace(asked.symmetryBreaking)
          const accepted = owner === null || owner === participant || displaces
          if (accepted) owner = participant
          return {
            ...nothing,
            answer: presentationMessage({ type: 'presentationTokenResponse', terminalLabel: label, channelId, accepted }),
            others: accepted
              ? presentationMessage({ type: 'presentationTokenIndicateOwner', terminalLabel: label, channelId })
              : null,
            ended: displaces ? house : null
          }
        }
        case 'presentationTokenRelease': {
          const ended = owner === participant
          if (ended) owner = null
          return { ...nothing, ended: ended ? participant : null }
        }
        case 'presentationTokenResponse':
          return { ...nothing, granted: { channelId, accepted: asked.accepted } }
        case 'flowControlReleaseRequest':
          // there is no rate here that could be raised
          return { ...nothing, answer: presentationMessage({ type: 'flowControlReleaseResponse', channelId, accepted: false }) }
        default:
          return nothing
      }
    },
    end: (who) => {
      const was = owner === who
      if (was) owner = null
      return was
    }
  }
}
