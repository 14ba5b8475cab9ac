/** Hazards the suite knows without configuration. Policy files may add others; names are lowercase tokens. */
export const defaultHazards = ['safety', 'alignment', 'ethics', 'bias', 'security', 'privacy'] as const

const hazardName = /^[a-z][a-z0-9-]{0,31}$/

/** Whether `name` has the form of a hazard name: a lowercase letter, then up to 31 of `a-z 0-9 -`. */
export function isHazardName(name: string): boolean {
  return hazardName.test(name)
}
