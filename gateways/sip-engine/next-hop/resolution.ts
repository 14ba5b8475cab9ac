/**
 * From a next hop to the addresses a request is tried at, in order: which questions to ask the name service, and what its answers mean.
 * Asks nobody itself.
 *
 * @see RFC 3263 §4, RFC 2782, RFC 3403
 */
import { isIP } from 'node:net'
import { type Destination, type TransportName, transportTraits } from '../transport/port.ts'

/** A next hop before its name is looked up. */
export interface NextHop {
  /** Whether the URI is `sips:` or its transport lies inside TLS. */
  readonly secure: boolean
  /** Null where the URI names none. */
  readonly transport: TransportName | null
  readonly host: string
  /** Null where the URI names none. */
  readonly port: number | null
}

export interface Question {
  /** `ADDRESS`: A and AAAA together. */
  readonly type: 'NAPTR' | 'SRV' | 'ADDRESS'
  readonly name: string
}

export interface NaptrRecord {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly replacement: string
}

export interface SrvRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly name: string
}

/** What a question found; the lists that were not asked for are empty. */
export interface Records {
  readonly naptr: readonly NaptrRecord[]
  readonly srv: readonly SrvRecord[]
  readonly addresses: readonly string[]
}

export const noRecords: Records = { naptr: [], srv: [], addresses: [] }

export interface ResolutionOptions {
  /** Those we can open, the preferred first. */
  readonly transports: readonly TransportName[]
  /** From 0 up to 1, for the weights of SRV. */
  readonly random: () => number
}

export type Resolution = Generator<Question, readonly Destination[], Records>

/** Bounds what one name can make us ask and try. */
const maxServices = 4
const maxServers = 8
const maxDestinations = 16

/** Yields questions, takes their records, returns the destinations, none where the name leads nowhere. */
export function* resolution(hop: NextHop, options: ResolutionOptions): Resolution {
  const { host, port } = hop
  const transport = hop.transport ?? defaultTransport(hop, options.transports)
  if (transport === undefined) return []
  if (isIP(host) !== 0) return [{ transport, address: host, port: port ?? transportTraits[transport].defaultPort }]
  if (port !== null || !transportTraits[transport].dialled) return yield* hosted(hop, transport)
  const services = hop.transport === null ? yield* findServices(hop, options.transports) : [serviceOf(host, transport)]
  const found: Destination[] = []
  let denied = false
  for (const service of services.slice(0, maxServices)) {
    const { srv } = yield { type: 'SRV', name: service.name }
    if (srv.length === 1 && isRoot(srv[0]!.name)) denied = true
    for (const server of orderServers(srv, options.random).slice(0, maxServers)) {
      if (isRoot(server.name)) continue
      const { addresses } = yield { type: 'ADDRESS', name: server.name }
      for (const address of addresses) {
        found.push({ transport: service.transport, address, port: server.port, name: host })
      }
    }
  }
  if (found.length > 0) return found.slice(0, maxDestinations)
  return denied ? [] : yield* hosted(hop, transport)
}

/** The addresses of the name itself. */
function* hosted({ host, port }: NextHop, transport: TransportName): Resolution {
  const { addresses } = yield { type: 'ADDRESS', name: host }
  const at = port ?? transportTraits[transport].defaultPort
  return addresses.slice(0, maxDestinations).map((address) => ({ transport, address, port: at, name: host }))
}

/** RFC 3263 §4.1: UDP for `sip:`, TLS for `sips:`; what else there is where we have no UDP. */
function defaultTransport({ secure }: NextHop, ours: readonly TransportName[]): TransportName | undefined {
  const wanted = secure ? 'tls' : 'udp'
  if (ours.includes(wanted)) return wanted
  return secure ? undefined : ours[0]
}

interface Service {
  readonly transport: TransportName
  /** Name to ask SRV for. */
  readonly name: string
}

const services: Readonly<Record<string, TransportName>> = { 'SIP+D2U': 'udp', 'SIP+D2T': 'tcp', 'SIPS+D2T': 'tls' }

/** By NAPTR; where there is none for us, SRV is asked for every transport we have. */
function* findServices(hop: NextHop, ours: readonly TransportName[]): Generator<Question, readonly Service[], Records> {
  const usable = hop.secure ? ours.filter((each) => each === 'tls') : ours
  const { naptr } = yield { type: 'NAPTR', name: hop.host }
  const offered = naptr
    .flatMap((record) => {
      const transport = services[record.service.toUpperCase()]
      const fits = transport !== undefined && usable.includes(transport) && record.flags.toLowerCase() === 's'
      return fits && !isRoot(record.replacement) ? [{ ...record, transport }] : []
    })
    .sort((left, right) => left.order - right.order || left.preference - right.preference)
  // RFC 3403 §4.1: once a record of one order is used, those of higher orders are not.
  const chosen = offered.filter(({ order }) => order === offered[0]!.order)
  if (chosen.length > 0) return chosen.map(({ transport, replacement }) => ({ transport, name: replacement }))
  return usable.map((transport) => serviceOf(hop.host, transport))
}

function serviceOf(host: string, transport: TransportName): Service {
  const prefix = { udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp', ws: '_sip._ws', wss: '_sips._ws' }[transport]
  return { transport, name: `${prefix}.${host}` }
}

/** By priority; within one, drawn by weight. @see RFC 2782 */
export function orderServers(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const ordered: SrvRecord[] = []
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((left, right) => left - right)
  for (const priority of priorities) {
    // Weight 0 first, so that it is drawn at all, with a very small chance.
    const left = records.filter((each) => each.priority === priority).sort((a, b) => Math.sign(a.weight) - Math.sign(b.weight))
    while (left.length > 0) {
      const total = left.reduce((sum, { weight }) => sum + weight, 0)
      const drawn = Math.floor(random() * (total + 1))
      let sum = 0
      const at = left.findIndex(({ weight }) => {
        sum += weight
        return sum >= drawn
      })
      ordered.push(...left.splice(at, 1))
    }
  }
  return ordered
}

function isRoot(name: string): boolean {
  return name === '' || name === '.'
}
