import { z } from 'zod'
import { callBridgeKinds, defaultBridgeTimes } from '#kernel'
import { port, positive } from './values.ts'

export const listenSettings = z
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

export const edgeServerSettings = z
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

export const sipSettings = z
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

export const certificatesSettings = z
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

export const guardSettings = z
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

export const escalationSettings = z
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
