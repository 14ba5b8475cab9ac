/** What a run is asked to do, and the SIPp command line for it. */
import type { SippStatistics } from './statistics.ts'

export interface SippTls {
  /** PEM texts. Without `ca` the system's authorities count. */
  readonly ca?: string
  readonly certificate?: string
  readonly key?: string
  /** Name sent as SNI and checked against the certificate; default: the target's host. */
  readonly servername?: string
  /** False accepts any certificate. Default true. */
  readonly verify?: boolean
}

export interface SippOptions {
  /** Scenario file, or the name of one in sipp-scenarios/ without `.xml`. */
  readonly scenario: string
  /** Where calls go. Without it SIPp is the called side and waits. */
  readonly target?: { readonly host: string; readonly port: number }
  /** Default `udp`. `tls` goes through a relay where SIPp was built without TLS. */
  readonly transport?: 'udp' | 'tcp' | 'tls'
  readonly tls?: SippTls
  /** Default 127.0.0.1. */
  readonly localAddress?: string
  /** Default: any free one. */
  readonly localPort?: number
  /** Calls to make, or to wait for. Default 1; 0 runs until it is stopped. */
  readonly calls?: number
  /** New calls a second. Default 10. */
  readonly rate?: number
  /** Calls at once. Default: SIPp's own, three times rate × call length. */
  readonly limit?: number
  /** Pause of scenarios that have a `<pause/>` without a length, milliseconds. */
  readonly pauseMs?: number
  /** User part that is dialled: `[service]` in the scenario. */
  readonly service?: string
  /** `[name]` in the scenario. */
  readonly keys?: Readonly<Record<string, string>>
  /** Global scenario variables (`-set`). */
  readonly variables?: Readonly<Record<string, string>>
  /** CSV injection files; the first is the one that `[field0]` means. */
  readonly csvFiles?: readonly string[]
  /** Pattern of Call-IDs: %u call number, %p process id, %s address. */
  readonly callId?: string
  /** URI in digest credentials. Default: `sip:<service>@<domain key>` where both are known, else SIPp's own. */
  readonly authUri?: string
  /** How long a call waits for each expected message. Default 10,000. */
  readonly receiveTimeoutMs?: number
  /** The whole run; then calls are broken off and the outcome is `timeout`. Default 60,000. */
  readonly timeoutMs?: number
  /** UDP retransmissions before a call counts as failed. Default: SIPp's own, 5 for INVITE and 7 for others. */
  readonly maxRetransmissions?: number
  /** Whether SIPp repeats over UDP what is not answered, and what it sent before an answer that comes twice. Default true. */
  readonly retransmits?: boolean
  /** Further SIPp arguments, last on the command line. */
  readonly extra?: readonly string[]
  /** Keeps SIPp's files in this folder, with every message (`messages.log`). Default: nothing is kept. */
  readonly logDirectory?: string
  readonly signal?: AbortSignal
  /** Called with each report, once a second. */
  readonly onProgress?: (statistics: SippStatistics) => void
}

/** What is known only when the process is about to start. */
export interface SippPlace {
  /** Scenario file as SIPp is to read it. */
  readonly scenarioFile: string
  /** Where SIPp connects to: the target or the relay. */
  readonly peer?: { readonly host: string; readonly port: number }
  readonly sipPort: number
  readonly mediaPort: number
  readonly controlPort: number
  /** SIPp's TLS in place of the relay; file names. */
  readonly ownTls?: { readonly ca?: string; readonly certificate?: string; readonly key?: string }
}

export const defaultTimeoutMs = 60_000

/** SIPp's arguments, file names relative to its working directory. Pure. */
export function sippArguments(options: SippOptions, place: SippPlace): readonly string[] {
  const address = options.localAddress ?? '127.0.0.1'
  const domain = options.keys?.domain
  // SIPp itself puts `sip:` before what it is given.
  const authUri =
    options.authUri?.replace(/^sip:/, '') ??
    (options.service !== undefined && domain !== undefined ? `${options.service}@${domain}` : undefined)
  const calls = options.calls ?? 1
  const transport = place.ownTls !== undefined ? 'l1' : (options.transport ?? 'udp') === 'udp' ? 'u1' : 't1'
  const given = (name: string, value: string | number | undefined) => (value === undefined ? [] : [name, String(value)])
  return [
    ...(place.peer === undefined ? [] : [hostPort(place.peer)]),
    ...['-sf', place.scenarioFile, '-nostdin', '-t', transport],
    ...['-i', address, '-p', `${place.sipPort}`, '-mi', address, '-mp', `${place.mediaPort}`],
    // SIPp 3.6 binds it for IPv4 alone.
    ...['-ci', address.includes(':') ? '127.0.0.1' : address, '-cp', `${place.controlPort}`, '-bind_local'],
    ...(calls === 0 ? [] : ['-m', `${calls}`]),
    ...['-r', `${options.rate ?? 10}`, '-recv_timeout', `${options.receiveTimeoutMs ?? 10_000}`],
    ...given('-l', options.limit),
    ...given('-d', options.pauseMs),
    ...given('-s', options.service),
    ...given('-auth_uri', authUri),
    ...given('-cid_str', options.callId),
    ...given('-max_retrans', options.maxRetransmissions),
    ...(options.retransmits === false ? ['-nr'] : []),
    ...Object.entries(options.keys ?? {}).flatMap(([name, value]) => ['-key', name, value]),
    ...Object.entries(options.variables ?? {}).flatMap(([name, value]) => ['-set', name, value]),
    ...(options.csvFiles ?? []).flatMap((file) => ['-inf', file]),
    ...given('-tls_cert', place.ownTls?.certificate),
    ...given('-tls_key', place.ownTls?.key),
    ...given('-tls_ca', place.ownTls?.ca),
    ...['-trace_stat', '-stf', 'statistics.csv', '-fd', '1', '-trace_rtt', '-rtt_freq', '1', '-trace_counts'],
    ...['-trace_err', '-error_file', 'errors.log'],
    ...(options.logDirectory === undefined
      ? []
      : ['-trace_msg', '-message_file', 'messages.log', '-trace_logs', '-log_file', 'logs.log']),
    ...(options.extra ?? [])
  ]
}

const hostPort = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
