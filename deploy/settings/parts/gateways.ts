import { z } from 'zod'
import { defaultMediaTypes } from '#webrtc/names'
import { port, portRange, positive, tlsFiles } from './values.ts'

export const h323Settings = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether there is a gatekeeper and a conference for H.323'),
    address: z.ipv4().nullable().default(null).describe('Where it listens; null for listen.address'),
    ras: port.default(1719).describe('UDP port of the gatekeeper (RAS); 0 takes a free one'),
    signalling: port.default(1720).describe('TCP port on which conferences are called; 0 takes a free one'),
    routing: z
      .enum(['direct', 'routed'])
      .default('direct')
      .describe('direct: endpoints call each other; routed: their call signalling goes through the gatekeeper'),
    router: port.default(1721).describe('TCP port of routed call signalling; 0 takes a free one'),
    identifier: z.string().min(1).max(64).default('infrafabric').describe('Name of the gatekeeper'),
    domain: z
      .string()
      .regex(/^[a-z0-9.-]{1,253}$/)
      .default('council.local')
      .describe('Host under which the registry knows aliases: room-1 is sip:room-1@domain'),
    multicast: z.array(z.ipv4()).max(16).default([]).describe('Interfaces on which discovery by multicast is answered'),
    prefix: z
      .string()
      .regex(/^[0-9*#]{1,16}$/)
      .nullable()
      .default(null)
      .describe('Numbers that begin so are conferences: with 88, 881 is the first of conferences; null for none'),
    accounts: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('File of who may register; null in development for h323-accounts.yaml, made for all of the registry'),
    videoPorts: portRange.describe(
      'First and last UDP port for pictures, four for each terminal; null takes a range that is free at the start'
    ),
    bandwidthKbps: z
      .strictObject({
        zone: positive(400_000_000).default(1_000_000).describe('All calls together'),
        call: positive(400_000_000).default(8000).describe('One call')
      })
      .prefault({})
      .describe('Bandwidth that is admitted, both directions together'),
    store: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('sqlite') }),
        z.strictObject({
          kind: z.literal('redis'),
          host: z.string().min(1).describe('Where the server is'),
          port: port.default(6379)
        })
      ])
      .default({ kind: 'sqlite' })
      .describe('Where registrations are kept: SQLite in the data folder, or Redis, shared by several gatekeepers')
  })
  .prefault({})
  .describe('H.323')

export const webrtcSettings = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether there is a page on which parties of the registry join by browser'),
    address: z.ipv4().nullable().default(null).describe('Where page and sound are served; null for listen.address'),
    port: port.default(8443).describe('TCP port of the page; 0 takes a free one'),
    tls: tlsFiles.describe(
      'PEM files of its certificate and key; null for none: browsers then give their microphones on loopback only'
    ),
    url: z
      .string()
      .regex(/^https:\/\/[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/, 'expected https://host or https://host:port')
      .nullable()
      .default(null)
      .describe('Where browsers reach the page; null for its address and port'),
    announcedAddress: z.ipv4().nullable().default(null).describe('Address of sound that browsers are told, where it is another'),
    ports: portRange.describe('First and last UDP port of mediasoup; null takes a range that is free at the start'),
    workers: positive(64).default(1).describe('Processes of mediasoup'),
    maxBrowsers: positive(1000).default(100).describe('Browsers at a time'),
    sip: z
      .strictObject({
        port: port.default(7443).describe('TCP port of the WebSockets, TLS only; 0 takes a free one'),
        url: z
          .string()
          .regex(/^wss:\/\/[A-Za-z0-9.-]{1,253}(:\d{1,5})?\/sip$/, 'expected wss://host/sip or wss://host:port/sip')
          .nullable()
          .default(null)
          .describe('Where browsers reach it; null for listen.address and its port'),
        origins: z
          .array(z.string().regex(/^https?:\/\/[a-z0-9.-]{1,253}(:\d{1,5})?$/, 'expected an origin: https://host'))
          .max(32)
          .default([])
          .describe('Pages besides the council’s whose scripts may open one'),
        perAddress: positive(10_000).default(20).describe('WebSockets of one address')
      })
      .nullable()
      .default(null)
      .describe('SIP over secure WebSocket at the embedded edge, for SIP phones in browsers; null for none'),
    seatHours: positive(720).default(12).describe('How long an invitation is good')
  })
  .prefault({})
  .describe('Browsers')

export const ndiSettings = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether NDI sources come into conferences, and conferences go out as sources'),
    addresses: z
      .array(z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'expected an address'))
      .max(64)
      .default([])
      .describe('Machines that are asked for sources, beside those that multicast DNS finds'),
    groups: z
      .array(z.string().regex(/^[^,]{1,64}$/, 'expected a name without a comma'))
      .max(16)
      .default([])
      .describe('Groups in which sources are looked for and published; none for the public one'),
    discoveryServer: z
      .string()
      .regex(/^[A-Za-z0-9.:,-]{1,253}$/, 'expected addresses, with commas between them')
      .nullable()
      .default(null)
      .describe('Discovery server of NDI; null for multicast DNS'),
    frameProofDays: positive(36_500)
      .nullable()
      .default(90)
      .describe('Days for which single frames can be proved; null for always'),
    ingest: z
      .strictObject({
        source: z
          .string()
          .min(1)
          .max(256)
          .nullable()
          .default(null)
          .describe('Source that comes with a call which asks for video: * for any text, {expert} for the id; null for none'),
        height: z
          .union([z.literal(480), z.literal(720), z.literal(1080)])
          .default(720)
          .describe('Lines of its pictures at most'),
        codec: z.enum(['h264']).default('h264').describe('What they are encoded by'),
        rate: positive(60).default(30).describe('Pictures a second at most'),
        bitrateKbps: positive(50_000).nullable().default(null).describe('kbit/s; null for what is usual at this height'),
        sound: z.boolean().default(false).describe('Whether its sound is heard in the conference'),
        holdMs: z
          .int()
          .min(0)
          .max(500)
          .default(80)
          .describe('How long pictures wait for what is said on the telephone, where its sound is not heard')
      })
      .prefault({}),
    publish: z
      .strictObject({
        conferences: z
          .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/))
          .max(8)
          .default([])
          .describe('Conferences that are sources from the start; others by ifctl ndi publish'),
        height: z
          .union([z.literal(480), z.literal(720), z.literal(1080)])
          .default(720)
          .describe('Lines of the pictures'),
        rate: positive(60).default(25).describe('Pictures a second')
      })
      .prefault({})
  })
  .prefault({})
  .describe('NDI')

export const evidenceSettings = z
  .strictObject({
    fileMegabytes: positive(1_048_576).default(2048).describe('Most of one file, in units of 2^20 octets'),
    callMegabytes: positive(1_048_576).default(4096).describe('Most of all files of one trace'),
    callFiles: positive(10_000).default(200).describe('Files of one trace'),
    totalMegabytes: positive(1_048_576).default(16_384).describe('Most of all files in the data folder'),
    mediaTypes: z
      .array(z.string().regex(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/))
      .min(1)
      .default([...defaultMediaTypes])
      .describe('Media types that are taken; no file is opened'),
    onScreens: z
      .boolean()
      .default(true)
      .describe(
        'Whether pictures and videos are shown on the second screens of room systems (H.239) and of telephones (a=content:slides)'
      ),
    linkMinutes: positive(1440).default(60).describe('How long the link is good that a telephone is shown')
  })
  .prefault({})
  .describe('Evidence that is shared in calls, where browsers are on')
