/** What participants do by keys. Sequences begin with `*`; other keys belong to nobody here. */
import type { ParticipantRole } from '#kernel'

export type KeyAction = 'mute' | 'hand' | 'lock' | 'louder' | 'softer'

export interface KeyCommand {
  readonly action: KeyAction
  /** Who may use it. */
  readonly roles: readonly ParticipantRole[]
}

/** Sequence → what it does. `*6` mutes and unmutes oneself, `*5` raises and lowers the hand, `*7` locks and unlocks, `*9` and `*8` set how loud one hears. */
export type KeyTable = Readonly<Record<string, KeyCommand>>

const everybody = ['guardian', 'expert', 'observer'] as const

export const defaultKeys: KeyTable = {
  '*6': { action: 'mute', roles: ['guardian', 'expert'] },
  '*5': { action: 'hand', roles: everybody },
  '*7': { action: 'lock', roles: ['guardian'] },
  '*9': { action: 'louder', roles: everybody },
  '*8': { action: 'softer', roles: everybody }
}

/** Pause between two keys after which a sequence begins anew. */
const longestPauseMs = 3000

/** What is wrong with a table: nothing when the list is empty. */
export function keyProblems(table: KeyTable): string[] {
  const sequences = Object.keys(table)
  return sequences.flatMap((sequence) => [
    ...(/^\*[0-9A-D#]{1,4}$/.test(sequence) ? [] : [`keys: ${JSON.stringify(sequence)} is not * and one to four keys`]),
    ...(sequences.some((other) => other !== sequence && other.startsWith(sequence))
      ? [`keys: ${sequence} is the beginning of another sequence`]
      : [])
  ])
}

/** The keys of one participant, put together to commands. */
export class KeySequence {
  readonly #table: KeyTable
  #pressed = ''
  #lastMs = 0

  constructor(table: KeyTable) {
    this.#table = table
  }

  /** @returns the command that this key completes, null for none */
  press(digit: string, role: ParticipantRole, nowMs: number): KeyAction | null {
    if (digit === '*' || nowMs - this.#lastMs > longestPauseMs) this.#pressed = ''
    this.#lastMs = nowMs
    this.#pressed += digit
    const pressed = this.#pressed
    if (!Object.keys(this.#table).some((sequence) => sequence.startsWith(pressed))) this.#pressed = ''
    if (!Object.hasOwn(this.#table, pressed)) return null
    this.#pressed = ''
    const command = this.#table[pressed]!
    return command.roles.includes(role) ? command.action : null
  }
}
