/**
 * State machines as tables: a row is an allowed event of a state, with the next state and the effects.
 *
 * @remarks Time is an input. A timer is started by an effect and comes back as an event, so a machine owns no clock.
 */
export interface TypedEvent {
  readonly type: string
}

export type Row<S extends string, E extends TypedEvent, F, C> = readonly [
  next: S,
  action?: (event: E, context: C) => readonly F[]
]

/** One entry for every state; in it, one row for every event that the state allows. */
export type Table<S extends string, E extends TypedEvent, F, C = void> = {
  readonly [state in S]: { readonly [type in E['type']]?: Row<S, Extract<E, { type: type }>, F, C> }
}

export interface Step<S extends string, F> {
  readonly state: S
  readonly effects: readonly F[]
  /** False when the state has no row for the event: the caller logs trace id, state and event, and goes on. */
  readonly allowed: boolean
}

/** Takes one step. Pure: neither the table nor the context is changed by it (actions may change the context, which is theirs). */
export function step<S extends string, E extends TypedEvent, F, C>(
  table: Table<S, E, F, C>,
  state: S,
  event: E,
  context: C
): Step<S, F> {
  const row = table[state][event.type as E['type']] as Row<S, E, F, C> | undefined
  if (row === undefined) return { state, effects: [], allowed: false }
  return { state: row[0], effects: row[1]?.(event, context) ?? [], allowed: true }
}

/** A machine at work. */
export interface Machine<S extends string, E extends TypedEvent> {
  readonly state: () => S
  readonly fire: (event: E) => void
}

/**
 * Keeps the state of a machine without a context, and has its effects carried out in their order. An effect may fire events: they find the next state.
 *
 * @param unexpected told of an event without a row
 */
export function runMachine<S extends string, E extends TypedEvent, F>(
  table: Table<S, E, F>,
  first: NoInfer<S>,
  perform: (effect: F) => void,
  unexpected: (state: S, event: E) => void
): Machine<S, E> {
  let state: S = first
  return {
    state: () => state,
    fire: (event) => {
      const next = step(table, state, event, undefined)
      if (!next.allowed) return unexpected(state, event)
      state = next.state
      for (const effect of next.effects) perform(effect)
    }
  }
}
