/**
 * Which extended reports a session description asks for: `a=rtcp-xr:stat-summary=loss,dup,jitt voip-metrics`.
 *
 * Who writes it wants to be sent these; the other side may ask for others.
 *
 * @see RFC 3611 §5.1, §5.2
 */

/** What a peer wants to be sent. */
export interface WantedReports {
  /** Parts of the summary of statistics; null for none. */
  readonly summary: { readonly loss: boolean; readonly duplicates: boolean; readonly jitter: boolean } | null
  readonly voip: boolean
}

export const noReports: WantedReports = { summary: null, voip: false }

const name = 'a=rtcp-xr:'
const mostFormats = 16

/** What we want. */
export const extendedReportLine = `${name}stat-summary=loss,dup,jitt voip-metrics`

/** @param lines of the stream, and of the session: what is not known is passed over */
export function readWantedReports(lines: readonly string[]): WantedReports {
  let wanted = noReports
  for (const line of lines) {
    if (!line.startsWith(name)) continue
    for (const format of line.slice(name.length).split(' ').slice(0, mostFormats)) {
      if (format === 'voip-metrics') wanted = { ...wanted, voip: true }
      const summary = /^stat-summary(?:=(?<flags>[A-Za-z,]{1,40}))?$/.exec(format)
      if (summary === null) continue
      const flags = (summary.groups!.flags ?? 'loss,dup,jitt').toLowerCase().split(',')
      wanted = {
        ...wanted,
        summary: { loss: flags.includes('loss'), duplicates: flags.includes('dup'), jitter: flags.includes('jitt') }
      }
    }
  }
  return wanted
}
