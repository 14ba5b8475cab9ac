import { isIP } from 'node:net'
import { z } from 'zod'
import { ConfigError } from '#kernel'
import { addressOfText } from './addresses.ts'

const address = z.string().refine((text) => addressOfText(text) !== null, 'expected address:port')
const digits = z.string().regex(/^[0-9*#,]{1,32}$/)
const text = z.string().min(1).max(128)
/** H.225.0 BandWidth: units of 100 bit/s, both directions together. */
const bandwidth = z.number().int().min(0).max(4_294_967_295)
const count = (most: number) => z.number().int().min(1).max(most)

const schema = z.strictObject({
  /** gatekeeperIdentifier. */
  identifier: text.default('infrafabric'),
  /** Where RAS is listened to. Port 0 takes a free one. */
  bind: z.strictObject({ ip: z.union([z.ipv4(), z.ipv6()]), port: z.number().int().min(0).max(65_535) }),
  /** Address that messages name where `bind` is a wildcard or behind a translator; default: as bound. */
  advertise: z.union([z.ipv4(), z.ipv6()]).nullable().default(null),
  /** Addresses of the interfaces on which 224.0.1.41:1718 is joined. Default: none, discovery by unicast alone. */
  multicast: z.array(z.ipv4()).max(16).default([]),
  /** Host of the URIs under which IF.guard knows aliases, and of `h323:name@domain` for local names. */
  domain: z.string().regex(/^[a-z0-9.-]{1,253}$/),
  /** Names that are not the zone's own but mean it too. */
  alternateGatekeepers: z
    .array(z.strictObject({ identifier: text, address, priority: z.number().int().min(0).max(127) }))
    .max(8)
    .default([]),
  callModel: z.enum(['direct', 'gatekeeperRouted']).default('direct'),
  /** Where the gatekeeper takes call signalling itself; needed when calls are routed. */
  callSignalAddress: address.nullable().default(null),
  timeToLiveS: z.strictObject({ min: count(86_400), max: count(86_400) }).default({ min: 15, max: 300 }),
  /** `match`: a RAS address with another IP than the datagram's source is refused. `source`: answers go to the source, whatever is written. */
  rasAddresses: z.enum(['match', 'source']).default('match'),
  /** Who may register, as whom. Null: anybody, without H.235.1. */
  users: z
    .array(
      z.strictObject({
        name: text,
        password: z.string().min(1).max(256),
        aliases: z.array(z.string().min(1).max(256)).max(64).default([]),
        prefixes: z.array(digits).max(64).default([])
      })
    )
    .max(100_000)
    .nullable()
    .default(null),
  /** H.235.1: how far a time stamp may be from ours, seconds. */
  clockToleranceS: count(3600).default(120),
  bandwidth: z
    .strictObject({ zone: bandwidth, endpoint: bandwidth, call: bandwidth, least: bandwidth })
    .default({ zone: 10_000_000, endpoint: 1_000_000, call: 200_000, least: 640 }),
  limits: z
    .strictObject({
      endpoints: count(1_000_000).default(10_000),
      calls: count(1_000_000).default(5000),
      callsPerEndpoint: count(100_000).default(50),
      aliases: count(1000).default(32),
      datagram: count(65_507).default(8192),
      /** Requests a second of one address, and how many may come at once. */
      perAddress: count(100_000).default(50),
      burst: count(100_000).default(100),
      /** Requests a second of all addresses together that no endpoint has registered. */
      strangers: count(1_000_000).default(2000),
      /** Requests waiting for IF.guard, a neighbour or the store. */
      waiting: count(100_000).default(1000),
      /** Octets of an answer for each octet of the request, to addresses that no endpoint has registered. */
      amplification: z.number().min(1).max(10).default(2)
    })
    .prefault({}),
  /** Limits of calls to numbers that begin so; the longest prefix counts. */
  prefixes: z
    .array(
      z.strictObject({
        prefix: digits,
        allow: z.boolean().default(true),
        calls: count(1_000_000).default(1_000_000),
        bandwidth: bandwidth.default(4_294_967_295)
      })
    )
    .max(1000)
    .default([]),
  /** Gatekeepers asked for what is not registered here, and allowed to ask. */
  neighbours: z
    .array(z.strictObject({ identifier: text, address, prefixes: z.array(digits).max(100).default([]) }))
    .max(32)
    .default([]),
  hopCount: z.number().int().min(1).max(255).default(5),
  /** IRR interval in calls, seconds; two silent ones in a row end the call here. */
  irrFrequencyS: z.number().int().min(5).max(3600).default(60),
  requestTimeoutMs: z.number().int().min(100).max(10_000).default(2000),
  retries: z.number().int().min(0).max(5).default(2),
  /** RIP is sent when an answer takes longer. */
  slowAfterMs: z.number().int().min(10).max(5000).default(400),
  guardTimeoutMs: z.number().int().min(100).max(30_000).default(3000),
  /** Events without whose durable entry there is no ACF. */
  failClosed: z.array(z.string().regex(/^[a-z0-9_]{1,64}$/)).default(['h323_acf_received'])
})

export type GatekeeperConfig = z.input<typeof schema>
export type Settings = Readonly<z.output<typeof schema>>

/**
 * Checks a configuration and fills in the defaults.
 *
 * @throws {ConfigError} naming every problem
 */
export function resolveConfig(config: GatekeeperConfig): Settings {
  const parsed = schema.safeParse(config)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
    throw new ConfigError('h323 gatekeeper', problems)
  }
  const settings = parsed.data
  const problems: string[] = []
  if (settings.timeToLiveS.min > settings.timeToLiveS.max) problems.push('timeToLiveS: min is larger than max')
  if (settings.callModel === 'gatekeeperRouted' && settings.callSignalAddress === null)
    problems.push('callSignalAddress: needed for gatekeeper-routed calls')
  if (settings.advertise === null && /^(0\.0\.0\.0|::)$/.test(settings.bind.ip))
    problems.push('advertise: needed with a wildcard bind')
  const names = settings.users?.map(({ name }) => name) ?? []
  if (new Set(names).size < names.length) problems.push('users: two have one name')
  if (settings.advertise !== null && isIP(settings.advertise) !== isIP(settings.bind.ip))
    problems.push('advertise: not of the family of bind')
  if (problems.length > 0) throw new ConfigError('h323 gatekeeper', problems)
  return Object.freeze(settings)
}
