/**
 * What the conference itself shows beside its people: the token is asked of each terminal before its channel is opened, and given back at the end.
 *
 * A terminal that refuses, or does not answer, is shown nothing. People come first: a terminal that asks for the token displaces what is shown here.
 *
 * @see H.239 §11.2 (token), §11.3 (two that ask at once)
 */
import type { Clock } from '#kernel'
import { presentationMessage } from '../h239/h239.ts'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'
import type { ContentCapability } from './h264.ts'
import type { PictureChannel } from './picture-side.ts'

/** One terminal to which something is to be shown. */
export interface Watcher {
  readonly reserveChannel: () => number
  readonly send: (message: MultimediaSystemControlMessage) => void
  readonly open: (channel: PictureChannel) => void
  readonly stop: () => void
  /** What became of the request: null where nothing was answered. */
  readonly answered: (accepted: boolean | null) => void
}

export interface HousePresentation {
  /** Asks a terminal for the token, once; one that has granted it gets its channel again where that is gone. */
  readonly offer: (participant: string, capability: ContentCapability, watcher: Watcher) => void
  /** A terminal's answer. */
  readonly granted: (participant: string, channelId: number, accepted: boolean) => void
  /** Whether a request of a terminal goes before ours to it, where both are under way: the higher number wins. */
  readonly yields: (participant: string, symmetryBreaking: number) => boolean
  readonly left: (participant: string) => void
  /** Closes the channels and gives the token back. @param to who has it now, and need not be told; null for nobody */
  readonly end: (to: string | null) => void
}

/** How long a terminal may take for its answer. */
const answerMs = 5000
const mostSymmetry = 127

interface Asked {
  readonly capability: ContentCapability
  readonly watcher: Watcher
  readonly channelId: number
  symmetryBreaking: number
  /** Both have drawn the same number: it is drawn anew. */
  isTied: boolean
  state: 'asked' | 'granted' | 'refused'
  cancel: () => void
}

/**
 * @param label under which the MC itself is known: MCU number and terminal number 0
 * @param random 0 to 1, exclusive
 */
export function createHousePresentation(label: number, clock: Clock, random: () => number): HousePresentation {
  const terminals = new Map<string, Asked>()

  function ask(terminal: Asked): void {
    terminal.symmetryBreaking = 1 + Math.floor(random() * mostSymmetry)
    terminal.isTied = false
    terminal.cancel()
    terminal.cancel = clock.after(answerMs, () => settle(terminal, null))
    const { channelId, symmetryBreaking, watcher } = terminal
    watcher.send(presentationMessage({ type: 'presentationTokenRequest', terminalLabel: label, channelId, symmetryBreaking }))
  }

  function settle(terminal: Asked, accepted: boolean | null): void {
    terminal.cancel()
    terminal.state = accepted === true ? 'granted' : 'refused'
    const { watcher, channelId, capability } = terminal
    watcher.answered(accepted)
    if (accepted === true) watcher.open({ number: channelId, ...capability })
  }

  return {
    offer: (participant, capability, watcher) => {
      const known = terminals.get(participant)
      // its channels went while it was held: it tells its capabilities again
      if (known?.state === 'granted') watcher.open(capability)
      if (known !== undefined) return
      const channelId = watcher.reserveChannel()
      const terminal: Asked = {
        capability,
        watcher,
        channelId,
        symmetryBreaking: 0,
        isTied: false,
        state: 'asked',
        cancel: () => undefined
      }
      terminals.set(participant, terminal)
      ask(terminal)
    },
    granted: (participant, channelId, accepted) => {
      const terminal = terminals.get(participant)
      if (terminal?.state !== 'asked' || terminal.channelId !== channelId) return
      if (terminal.isTied && !accepted) ask(terminal)
      else settle(terminal, accepted)
    },
    yields: (participant, symmetryBreaking) => {
      const terminal = terminals.get(participant)
      if (terminal?.state !== 'asked') return true
      terminal.isTied = symmetryBreaking === terminal.symmetryBreaking
      return symmetryBreaking > terminal.symmetryBreaking
    },
    left: (participant) => {
      terminals.get(participant)?.cancel()
      terminals.delete(participant)
    },
    end: (to) => {
      for (const [participant, { state, channelId, watcher, cancel }] of terminals) {
        cancel()
        watcher.stop()
        if (state === 'refused' || participant === to) continue
        watcher.send(presentationMessage({ type: 'presentationTokenRelease', terminalLabel: label, channelId }))
      }
      terminals.clear()
    }
  }
}
