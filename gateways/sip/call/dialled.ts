import { isHazardName } from '#kernel'

export interface Dialled {
  readonly conference: string
  /** Hazard named by the dialled address, null when it names none. */
  readonly hazard: string | null
}

const conferenceName = /^[a-z0-9][a-z0-9._-]{0,63}$/

/**
 * What a dialled address asks for: `sip:<conference>@…` or `sip:<conference>-<hazard>@…`.
 *
 * @param requestUri Request-URI as received.
 * @param conferences names that exist, or null where any name may be dialled.
 * @param hazards names that end an address; the longest that fits is taken.
 * @returns null when the address names no conference.
 */
export function readDialled(
  requestUri: string,
  conferences: Pick<ReadonlySet<string>, 'has'> | null,
  hazards: readonly string[]
): Dialled | null {
  const match = /^sips?:([^@;?\s]{1,256})@[^@\s]+$/i.exec(requestUri)
  if (match === null) return null
  let user: string
  try {
    user = decodeURIComponent(match[1]!)
  } catch {
    return null
  }
  if (!conferenceName.test(user)) return null
  const exists = (name: string) => name !== '' && (conferences === null || conferences.has(name))
  if (conferences?.has(user)) return { conference: user, hazard: null }
  const suffixes = hazards.filter((hazard) => isHazardName(hazard) && user.endsWith(`-${hazard}`))
  const hazard = suffixes.sort((a, b) => b.length - a.length)[0]
  if (hazard !== undefined) {
    const conference = user.slice(0, -hazard.length - 1)
    return exists(conference) && conferenceName.test(conference) ? { conference, hazard } : null
  }
  return exists(user) ? { conference: user, hazard: null } : null
}
