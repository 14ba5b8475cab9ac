import { z } from 'zod'
import { callBridgeKinds, defaultBridgeTimes, defaultHazards, isHazardName } from '#kernel'
import { defaultMediaTypes } from '#webrtc/names'

const port = z.number().int().min(0).max(65535)
const address = z.union([z.ipv4(), z.ipv6()])
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected lower-case letters, digits, dot, dash or underscore')
const positive = (most: number) => z.number().int().min(1).max(most)
/** Null takes a range that is free at the start. */
const portRange = z.tuple([port, port]).nullable().default(null)

const listenSettings = z
  .strictObject({
    address: z.ipv4().default('127.0.0.1').describe('IPv4 address of the edge and of the media plane'),
    announced: z
      .ipv4()
      .nullable()
      .default(null)
      .describe('IPv4 address that telephones are told in its place: of a NAT, or of the host of a container; null for none'),
    address6: z
      .ipv6()
      .nullable()
      .default(null)
      .describe('IPv6 address on which edge and media plane take the same ports; null for none'),
    tls: port.default(5061).describe('SIP over TLS; 0 takes a free port'),
    udp: port.nullable().default(null).describe('SIP over UDP, development only; null for none'),
    tcp: port.nullable().default(null).describe('SIP over TCP, development only; null for none')
  })
  .prefault({})
  .describe('Where the edge listens')

const edgeServerSettings = z
  .strictObject({
    address: z.ipv4().describe('IPv4 address toward application servers: out of reach of strangers'),
    port: port.min(1).default(5070).describe('Its UDP port'),
    applications: z
      .array(z.strictObject({ address: z.ipv4(), port: port.min(1) }))
      .min(1)
      .describe('Where application servers take SIP, UDP: new calls go to the first that answers, the others stand by')
  })
  .nullable()
  .default(null)
  .describe('What `ifctl edge` serves: address, port (5070), applications; null where the edge is embedded')

const sipSettings = z
  .strictObject({
    address: z.ipv4().default('127.0.0.1').describe('IPv4 address of the application’s SIP server: out of reach of strangers'),
    udp: port.default(0).describe('Its UDP port; 0 takes a free one'),
    tcp: port.default(0).describe('Its TCP port; 0 takes a free one'),
    server: z
      .strictObject({
        host: z.string().min(1).describe('Where its admin port is'),
        port: port.describe('Its admin port'),
        secretFile: z.string().min(1).describe('File with the secret of applications in its first line (mode 0600)')
      })
      .nullable()
      .default(null)
      .describe('A drachtio-server, which then listens on the address and the ports above; null runs the embedded one')
  })
  .prefault({})
  .describe('Where the edge reaches the application')

const mediaSettings = z
  .strictObject({
    ports: portRange.describe('First and last UDP port for RTP; null takes a range that is free at the start'),
    jitterTargetMs: positive(500).default(20).describe('Target of the jitter buffer'),
    timeoutMs: positive(3_600_000).default(30_000).describe('A call without RTP for so long is ended'),
    maxParticipants: positive(1000).default(50).describe('Participants of one conference'),
    threads: positive(64).default(1).describe('Threads that mix; a conference lives in one of them'),
    voices: positive(100).default(8).describe('Voices mixed at once in a conference: the loudest'),
    limits: z
      .record(name, z.strictObject({ maxParticipants: positive(1000).optional(), voices: positive(100).optional() }))
      .default({})
      .describe('Other numbers of participants and voices for single conferences, by their names'),
    srtp: z
      .enum(['required', 'preferred', 'off'])
      .default('preferred')
      .describe('Whether sound is encrypted: `required` refuses who cannot'),
    ice: z
      .enum(['lite', 'off'])
      .default('lite')
      .describe('Whether ICE is answered where a phone offers it: as the side that only answers checks')
  })
  .prefault({})
  .describe('Media plane')

const guardSettings = z
  .strictObject({
    rules: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('Rules of IF.guard (Cedar), followed while it runs; null for those of the suite'),
    identity: z
      .strictObject({
        anchors: z.string().min(1).describe('PEM file of the authorities whose signers are trusted'),
        hosts: z
          .array(z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, 'expected a host name in lower case'))
          .min(1)
          .nullable()
          .default(null)
          .describe('Hosts that are asked for certificates; null for any on the public Internet'),
        windowMs: positive(600_000).default(60_000).describe('How far the time of a PASSporT may be from ours')
      })
      .nullable()
      .default(null)
      .describe('Identity headers of callers (STIR/SHAKEN); null leaves them unread')
  })
  .prefault({})
  .describe('IF.guard')

const certificatesSettings = z
  .strictObject({
    certificate: z.string().min(1),
    key: z.string().min(1),
    ca: z.string().min(1),
    crl: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('Revocations of that CA, PEM; without them experts invited by ifctl are not trusted')
  })
  .nullable()
  .default(null)
  .describe('PEM files of the server certificate, its key and the CA of client certificates; null for those of the data folder')

const tlsFiles = z
  .strictObject({ certificate: z.string().min(1), key: z.string().min(1) })
  .nullable()
  .default(null)

const ledgerSettings = z
  .strictObject({
    store: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('sqlite') }),
        z.strictObject({
          kind: z.literal('redis'),
          url: z
            .string()
            .regex(
              /^rediss?(\+(unix|sentinel|cluster))?:\/\/\S+$/,
              'expected redis://, rediss://, redis+unix://, redis+sentinel:// or redis+cluster://'
            )
            .describe('Where the server is'),
          durability: z
            .enum(['required', 'fast'])
            .default('required')
            .describe('required refuses a server that is not set to write before it answers; fast takes it and warns'),
          waitReplicas: z.number().int().min(0).max(16).default(0).describe('Replicas that must have an entry'),
          leaseMs: z
            .number()
            .int()
            .min(500)
            .max(60_000)
            .default(3000)
            .describe('Until another takes over from a writer that died')
        })
      ])
      .default({ kind: 'sqlite' })
      .describe('Where the ledger is kept: SQLite in the data folder, or Redis'),
    service: z
      .strictObject({
        enabled: z
          .boolean()
          .nullable()
          .default(null)
          .describe('Whether the ledger is served over HTTP; null for the rule of the profile: in development'),
        address: address.default('127.0.0.1').describe('Where the service listens; beyond loopback it needs a certificate'),
        port: port.default(0).describe('Its port; 0 takes a free one'),
        tls: tlsFiles.describe('PEM files of its certificate and key; null for none')
      })
      .prefault({})
      .describe('For auditors, and for producers elsewhere')
  })
  .prefault({})
  .describe('Ledger')

const h323Settings = z
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

const webrtcSettings = z
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

const ndiSettings = z
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

const evidenceSettings = z
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

const escalationSettings = z
  .strictObject({
    domain: z
      .string()
      .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$/, 'expected a host name')
      .default('council.invalid')
      .describe('Host of the address from which experts are called: sip:CONFERENCE@HOST'),
    number: z
      .string()
      .regex(/^\+[1-9]\d{1,14}$/, 'expected a number of E.164: + and 2 to 15 digits')
      .nullable()
      .default(null)
      .describe('Number from which experts are called, in the place of the conference in that address'),
    identity: z
      .strictObject({
        key: z.string().min(1).describe('Private key on P-256, PEM'),
        certificateUrl: z
          .url({ protocol: /^https$/, error: 'expected an https URL' })
          .max(1000)
          .describe('Where verifiers fetch its certificate'),
        attestation: z
          .enum(['A', 'B', 'C'])
          .nullable()
          .default(null)
          .describe('SHAKEN level; null for who calls whom and no more')
      })
      .nullable()
      .default(null)
      .describe('Vouches for calls out by an Identity header (STIR/SHAKEN); null sends none'),
    proxy: z
      .string()
      .regex(/^sip:[^\s<>]{1,256}$/, 'expected a SIP URI')
      .nullable()
      .default(null)
      .describe('Where calls out go: inner address of an external edge; null with the embedded one'),
    tls: z
      .enum(['required', 'preferred'])
      .nullable()
      .default(null)
      .describe('Whether experts are called over TLS only; null for the rule of the profile: in production'),
    contrarian: z
      .enum(['on-request', 'always', 'never'])
      .default('on-request')
      .describe('When an expert who speaks against the prevailing view is called too'),
    earlyMedia: z
      .enum(['heard', 'ignored'])
      .default('ignored')
      .describe('Whether the council hears what comes before the answer'),
    transfer: z
      .enum(['registered', 'never'])
      .default('registered')
      .describe('To whom a call may be handed over by REFER: experts of the registry, or nobody'),
    offer: z.enum(['early', 'late']).default('early').describe('late lets the expert describe the session first'),
    ringTimeoutMs: positive(180_000).default(30_000).describe('How long an expert is rung'),
    parallel: positive(50).default(5).describe('Experts rung at once in parallel hunting'),
    attempts: positive(10).default(3).describe('Calls of one expert in one escalation'),
    callsPerExpert: positive(1000).default(1).describe('Calls out to one expert at a time'),
    mostOpen: positive(10_000).default(100).describe('Escalations at a time'),
    terminals: z
      .union([z.literal('registered'), z.array(z.string().min(1).max(256)).max(50)])
      .default('registered')
      .describe(
        'Terminals that are called into the conference when an expert is connected: those that Guardians have registered, or these aliases'
      ),
    bridges: z
      .strictObject({
        retriesMs: z
          .array(positive(600_000))
          .max(10)
          .default([...defaultBridgeTimes.retriesMs])
          .describe('Waits before each further attempt to open a bridge of a call'),
        operationMs: positive(600_000)
          .default(defaultBridgeTimes.operationMs)
          .describe('Time in which a bridge opens, or a terminal answers; and in which it closes'),
        dialIn: z.array(z.enum(callBridgeKinds)).default(['webrtc']).describe('Bridges that an expert who calls in has, too')
      })
      .prefault({})
      .describe('Bridges of a call: H.323, WebRTC, NDI'),
    key: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('Ed25519 key that signs calls out, PEM; null for escalation.pem in the data folder, made when it is not there')
  })
  .prefault({})
  .describe('Calls out')

const pluginsSettings = z
  .strictObject({
    store: z
      .discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('sqlite') }),
        z.strictObject({
          kind: z.literal('redis'),
          url: z.string().min(1).describe('Where the server is'),
          name: z
            .string()
            .regex(/^[A-Za-z0-9_-]{1,64}$/)
            .describe('Name of the state on that server')
        })
      ])
      .default({ kind: 'sqlite' })
      .describe('State of coordinator, governor and chassis: state.db in the data folder, or Redis'),
    sweep: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Whether claims of owners that are gone, and deadlines, are seen to'),
        everyMs: z.number().int().min(50).max(60_000).default(1000).describe('Between two sweeps'),
        leaseMs: z
          .number()
          .int()
          .min(500)
          .max(600_000)
          .default(10_000)
          .describe('Until another takes over from a sweeper that died; at least twice everyMs')
      })
      .prefault({})
  })
  .prefault({})
  .describe('Tasks, swarms and sandboxes')

const recordingSettings = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether conferences are recorded, under the policies below'),
    folder: z.string().min(1).nullable().default(null).describe('Folder of recordings; null for recordings in the data folder'),
    format: z.enum(['wav', 'opus']).default('wav').describe('How sound is kept; received packets are kept as they came'),
    sampleRateHz: z
      .union([z.literal(8000), z.literal(16_000), z.literal(48_000)])
      .default(16_000)
      .describe('Sample rate of what is kept'),
    batchSeconds: positive(600).default(10).describe('Seconds for which there is one entry in the ledger'),
    policies: z
      .array(
        z.strictObject({
          conference: z.union([name, z.literal('*')]).describe('Its name; * for all others'),
          consent: z
            .enum(['off', 'announce', 'key'])
            .describe('announce records who has heard the announcement, key who has pressed 1 after it'),
          start: z.enum(['automatic', 'manual']).default('automatic').describe('manual: by the keys *3'),
          startedBy: z
            .array(z.enum(['guardian', 'expert', 'observer']))
            .default(['guardian'])
            .describe('Who may start and end it'),
          announcement: z.string().min(1).nullable().default(null).describe('WAV file; null for the recording tone, 1400 Hz'),
          answerWithinMs: z.number().int().min(0).max(600_000).default(15_000).describe('Time for the answer by key'),
          retentionDays: positive(36_500).nullable().default(90).describe('Days until deletion; null for never')
        })
      )
      .default([])
      .describe('What is recorded: conference, consent, start, startedBy, announcement, answerWithinMs, retentionDays')
  })
  .prefault({})
  .describe('Recordings')

/** Every setting of the suite. Descriptions are the documentation; `deploy/README.md` shows them. */
export const suiteSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('var')
    .describe('Folder for everything the suite keeps: ledger, keys, certificates, registry, credentials'),
  profile: z
    .enum(['development', 'production'])
    .default('development')
    .describe('development makes its own CA, passwords and registry, and lets loopback in; production is given them'),
  listen: listenSettings,
  edge: z
    .enum(['embedded', 'external'])
    .default('embedded')
    .describe(
      'embedded runs Kamailio as a child; external expects one elsewhere, which sends to sip and is named in trustedEdges'
    ),
  edgeServer: edgeServerSettings,
  trustedEdges: z.array(address).min(1).default(['127.0.0.1']).describe('Addresses from which the application takes SIP'),
  sip: sipSettings,
  realm: z
    .string()
    .regex(/^[A-Za-z0-9._ -]{1,128}$/, 'expected letters, digits, blanks and . _ -')
    .default('infrafabric')
    .describe('Digest realm; credentials are bound to it'),
  media: mediaSettings,
  conferences: z
    .array(name)
    .min(1)
    .nullable()
    .default(['council'])
    .describe('Conferences that can be dialled; null for any name'),
  hazards: z
    .array(z.string().refine(isHazardName, 'no hazard name'))
    .min(1)
    .default([...defaultHazards])
    .describe('Hazards there are'),
  registry: z.string().min(1).nullable().default(null).describe('Expert registry; null for registry.yaml in the data folder'),
  guard: guardSettings,
  certificates: certificatesSettings,
  allowlist: z
    .array(z.strictObject({ network: z.union([z.cidrv4(), z.ipv4(), z.cidrv6(), z.ipv6()]), name: z.string().min(1).max(64) }))
    .min(1)
    .nullable()
    .default(null)
    .describe('Networks that may call, each with whose it is; null in development for loopback'),
  requireClientCertificate: z
    .boolean()
    .nullable()
    .default(null)
    .describe('Whether callers must show a certificate; null for the rule of the profile: in production'),
  allowDigestWithoutQop: z.boolean().default(false).describe('Takes digests of old phones that know no qop (MD5 only)'),
  md5OnlyUsers: z
    .array(z.string().min(1).max(128))
    .default([])
    .describe(
      'Users whose phones give up at the sight of SHA-256: they are challenged for MD5 only. Each must be a user of the registry'
    ),
  limits: z
    .strictObject({
      callsPerMinute: positive(10_000).default(10).describe('Calls a minute of one expert, at the edge and in IF.guard'),
      requestsPer10s: positive(100_000).default(30).describe('Requests per 10 s of one address (pike)'),
      maxCalls: positive(100_000).default(1000).describe('Calls at a time')
    })
    .prefault({})
    .describe('Limits'),
  failClosed: z
    .array(z.string().regex(/^[A-Za-z0-9_]{1,64}$/))
    .default(['policy_decision', 'INVITE'])
    .describe('Events without whose durable entry there is no call'),
  sessionExpiresSeconds: z.number().int().min(90).max(86_400).default(1800).describe('Session timer interval'),
  setupTimeoutMs: positive(60_000).default(10_000).describe('From INVITE to final answer'),
  application: name.default('sip-1').describe('Name of this application server in the record'),
  restart: z
    .enum(['take-up', 'hang-up'])
    .default('take-up')
    .describe('What becomes of the calls with experts that a killed run left: they go on in their conference, or are hung up on'),
  spool: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Folder for entries that wait for the ledger, best on another disk; null for spool in the data folder'),
  origin: z
    .string()
    .regex(/^[^\s+]{1,128}$/, 'expected no white space and no plus sign')
    .default('infrafabric.local/witness')
    .describe('Origin line of the ledger’s checkpoints'),
  ledger: ledgerSettings,
  h323: h323Settings,
  webrtc: webrtcSettings,
  ndi: ndiSettings,
  evidence: evidenceSettings,
  escalation: escalationSettings,
  plugins: pluginsSettings,
  recording: recordingSettings,
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('warn').describe('Least level that is logged')
})

/** A complete configuration. */
export type SuiteConfig = Readonly<z.infer<typeof suiteSchema>>

/** What may be given: every setting has a default. */
export type SuiteSettings = z.input<typeof suiteSchema>
