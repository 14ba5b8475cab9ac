/** What of a file's facts is taken from strangers: its name, its media type, its size. Runs in the page too. */

/** Why evidence is refused. Each code is stable. */
export const refusalCodes = [
  'evidence.name',
  'evidence.media-type',
  'evidence.too-large',
  'evidence.too-many',
  'evidence.quota',
  'evidence.size',
  'evidence.chunk',
  'evidence.hash',
  'evidence.replay',
  'evidence.unrecorded',
  'evidence.not-now',
  'evidence.disk',
  'evidence.withdrawn',
  'evidence.timeout'
] as const
export type EvidenceRefusalCode = (typeof refusalCodes)[number]

export interface EvidenceRefusal {
  readonly ok: false
  readonly code: EvidenceRefusalCode
  readonly reason: string
}

export const refused = (code: EvidenceRefusalCode, reason: string): EvidenceRefusal => ({ ok: false, code, reason })

/** Of a name, in octets of UTF-8: what file systems take. */
const mostNameOctets = 255

/** Control characters, what changes the direction of text, what is not seen. @see UAX 9 §2, UTR 36 §2.10 */
const hidden = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u

/** A file's name as it is shown and stored: NFC, blanks made one. */
export function cleanName(given: string): { readonly ok: true; readonly name: string } | EvidenceRefusal {
  const name = given
    .normalize('NFC')
    .trim()
    .replace(/\p{Zs}+/gu, ' ')
  if (name === '' || new TextEncoder().encode(name).length > mostNameOctets)
    return refused('evidence.name', `a name has 1 to ${mostNameOctets} octets`)
  if (hidden.test(name)) return refused('evidence.name', 'the name holds characters that are not seen')
  if (/[/\\]/.test(name) || /^\.+$/.test(name)) return refused('evidence.name', 'the name holds a path')
  // what a name hides from lists, and what means more than a name to a system: a drive, a stream, a device
  if (/^\.|[<>:"|?*]|[. ]$/.test(name) || /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i.test(name))
    return refused('evidence.name', 'the name means more than a name on some systems')
  return { ok: true, name }
}

/** Taken where nothing else is configured. None is opened here, archives neither. */
export const defaultMediaTypes: readonly string[] = [
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'application/pdf',
  'text/plain',
  'text/csv',
  'application/json',
  'audio/wav',
  'audio/ogg',
  'audio/mpeg',
  'audio/mp4',
  'video/mp4',
  'video/webm',
  'application/zip',
  'application/octet-stream'
]

/** Pictures that browsers show without running anything. */
export const shownTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])
