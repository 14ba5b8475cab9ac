import { defaultHazards, isHazardName } from '#kernel'
import { type Arguments, UsageError } from '../line/arguments.ts'

/** Hazards of `--hazards`, or the six of the suite. */
export function hazardList(args: Arguments): readonly string[] {
  const text = args.value('hazards')
  if (text === undefined) return defaultHazards
  const hazards = text.split(',').map((hazard) => hazard.trim())
  const wrong = hazards.find((hazard) => !isHazardName(hazard))
  if (wrong !== undefined) throw new UsageError(`--hazards: ${JSON.stringify(wrong)} is not a hazard name`)
  return hazards
}
