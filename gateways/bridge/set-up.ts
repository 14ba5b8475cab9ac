/** A set-up in steps: what fails at one undoes those before it, the latest first, and says which it was. */
import { errorCode } from '#kernel'

/** The five steps of a bridge, in order. */
export const bridgeSteps = ['sip-leg', 'h323-leg', 'codecs', 'media', 'record'] as const
export type BridgeStep = (typeof bridgeSteps)[number]

/** Why a step failed, in terms of both sides. */
export interface StepFailure {
  /** Stable, e.g. `bridge.h323.refused`. */
  readonly code: string
  readonly reason: string
  /** Q.850, for the side that is told. */
  readonly cause: number
}

export type StepOutcome = { readonly ok: true } | ({ readonly ok: false } & StepFailure)

export interface Step {
  readonly name: BridgeStep
  readonly run: () => Promise<StepOutcome>
  /** Undoes the step; also one that failed halfway or was given up. Must be idempotent. */
  readonly undo: (cause: number) => Promise<void>
}

export type SetUpResult =
  | { readonly ok: true }
  | ({
      readonly ok: false
      readonly step: BridgeStep
      /** Steps that were undone, in the order in which they were; those whose undoing failed, with its code. */
      readonly undone: readonly { readonly step: BridgeStep; readonly failed: string | null }[]
    } & StepFailure)

/** Q.850: recovery on timer expiry, normal clearing, temporary failure. */
const causeOfAbort = 16
const causeOfDefect = 41

/**
 * Runs the steps one after another.
 *
 * @param signal given up (the caller has gone): the step under way is undone too, its outcome no longer counts
 */
export async function setUp(steps: readonly Step[], signal: AbortSignal): Promise<SetUpResult> {
  const begun: Step[] = []
  for (const step of steps) {
    begun.unshift(step)
    const failure = await attempt(step, signal)
    if (failure === null) continue
    const undone: { step: BridgeStep; failed: string | null }[] = []
    for (const { name, undo } of begun) {
      const failed = await undo(failure.cause).then(
        () => null,
        (error: unknown) => errorCode(error)
      )
      undone.push({ step: name, failed })
    }
    return { ok: false, step: step.name, undone, ...failure }
  }
  return { ok: true }
}

async function attempt({ run }: Step, signal: AbortSignal): Promise<StepFailure | null> {
  const givenUp: StepFailure = { code: 'bridge.given-up', reason: 'the call was given up', cause: causeOfAbort }
  if (signal.aborted) return givenUp
  const aborted = Promise.withResolvers<StepFailure>()
  const onAbort = (): void => aborted.resolve(givenUp)
  signal.addEventListener('abort', onAbort, { once: true })
  const ran = run().then(
    (outcome): StepFailure | null => (outcome.ok ? null : { code: outcome.code, reason: outcome.reason, cause: outcome.cause }),
    (error: unknown): StepFailure => ({ code: errorCode(error), reason: 'the step failed', cause: causeOfDefect })
  )
  try {
    return await Promise.race([ran, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
