/**
 * Paths of tiles and entry bundles.
 *
 *     tile/<level>/<index>[.p/<width>]     hashes of 32 octets, 256 or `width` of them
 *     tile/entries/<index>[.p/<width>]     entries
 *
 * The index is written in groups of three digits, all but the last with an `x` before it: 1,234,067 is `x001/x234/067`.
 *
 * @see C2SP tlog-tiles
 */
import { tileWidth } from '../log/tree.ts'

export interface TilePlace {
  readonly level: number | 'entries'
  readonly index: number
  /** 1 to 256. */
  readonly width: number
}

const form = /^(0|[1-9]\d?|entries)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/
const highestLevel = 63

/** The place a path names, without `tile/` before it; null when it names none, also where it is not written in the one way there is. */
export function parseTilePath(path: string): TilePlace | null {
  const match = form.exec(path)
  if (match === null) return null
  const level = match[1] === 'entries' ? ('entries' as const) : Number(match[1])
  const index = Number(match[2]!.replace(/[x/]/g, ''))
  const width = match[3] === undefined ? tileWidth : Number(match[3])
  if (match[3] !== undefined && width >= tileWidth) return null
  if ((level !== 'entries' && level > highestLevel) || !Number.isSafeInteger(index * tileWidth)) return null
  const place: TilePlace = { level, index, width }
  return formatTilePath(place) === path ? place : null
}

export function formatTilePath({ level, index, width }: TilePlace): string {
  const groups: string[] = []
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`${groups.length === 0 ? '' : 'x'}${String(rest % 1000).padStart(3, '0')}`)
  }
  return `${level}/${groups.join('/')}${width === tileWidth ? '' : `.p/${width}`}`
}
