/** Settings file of a server that runs alone. The descriptions are the documentation; the README shows them. */
import { z } from 'zod'
import { defaultMessageLimits } from '../codec/limits.ts'
import { defaultTimers } from '../common/timers.ts'
import { defaultOverloadLimits } from '../overload/overload.ts'
import { defaultTransportLimits } from '../transport/port.ts'

const port = z.number().int().min(0).max(65_535)
const file = z.string().min(1)
const positive = z.number().positive()
const texts = z.array(z.string().min(1))
const whole = (least: number, most: number) => z.number().int().min(least).max(most)

/** An object of numbers with the names of `defaults`, all optional. */
function numbersLike<T extends object>(defaults: T) {
  const shape = Object.fromEntries(Object.keys(defaults).map((name) => [name, positive.optional()]))
  return z.strictObject(shape as { [name in keyof T]: z.ZodOptional<z.ZodNumber> })
}

const credentials = {
  key: file.describe('Private key, PEM'),
  cert: z
    .union([file, z.array(file).min(1)])
    .describe('Certificate, PEM; a list of files is read as one: certificate, then chain')
}

const tls = z.strictObject({
  ...credentials,
  ca: file.optional().describe('Authorities to check peers against, PEM. Default: those of the system'),
  names: z
    .array(z.strictObject({ host: z.string().min(1), ...credentials }))
    .optional()
    .describe('Other certificates, for clients that ask for `host`; `*.example.com` covers one label'),
  verifyServer: z.boolean().optional().describe('Check the certificates of servers we connect to. Default true'),
  clientCertificate: z.enum(['none', 'request', 'require']).optional().describe('Of those who connect. Default none')
})

const listenText = /^(\w+):(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/

/** `udp:127.0.0.1:5060`, `tcp:[::1]:5060`; undefined for anything else. */
export function parseListen(text: string): { transport: string; address: string; port: number } | undefined {
  const found = listenText.exec(text.trim())
  if (found === null) return undefined
  return { transport: found[1]!.toLowerCase(), address: found[2] ?? found[3]!, port: Number(found[4]) }
}

const listener = z.strictObject(
  {
    transport: z.enum(['udp', 'tcp', 'tls', 'ws', 'wss']),
    address: z.string().min(1).describe('IPv4 or IPv6 address of this host'),
    port: port.describe('0 takes any free port'),
    advertise: z.string().min(1).optional().describe('Host that stands in Via and Contact; needed with 0.0.0.0 and ::'),
    tls: tls.optional().describe('For tls and wss. Default: the `tls` of the file'),
    origins: z.array(z.string()).optional().describe('For ws and wss: pages that may connect. Default: every page'),
    receiveBuffer: whole(4096, 1_073_741_824).optional().describe('For udp: octets the system keeps while the server is busy')
  },
  { error: (issue) => (issue.code === 'invalid_type' ? 'expected transport:address:port, or an object' : undefined) }
)
const listenerOrText = z.preprocess((value) => (typeof value === 'string' ? (parseListen(value) ?? value) : value), listener)

export const settingsSchema = z.strictObject({
  listen: z.array(listenerOrText).min(1).describe('Where SIP is taken: `udp:127.0.0.1:5060`, or an object'),
  tls: tls.optional().describe('Key and certificate of tls and wss listeners that have none of their own'),
  admin: z
    .strictObject({
      address: z.string().min(1).default('127.0.0.1').describe('Address for applications'),
      port: port.default(9022).describe('Port for applications; 0 takes any free one'),
      secret: z.string().min(1).optional().describe('What applications log in with'),
      secretFile: file.optional().describe('File with the secret in its first line, in place of `secret`'),
      tls: z
        .strictObject({ port: port.describe('0 takes any free port'), ...credentials })
        .optional()
        .describe('A second port, with TLS')
    })
    .prefault({})
    .describe('Where applications connect'),
  timers: numbersLike(defaultTimers).optional().describe('Milliseconds; names and defaults in `common/timers.ts`'),
  limits: z
    .strictObject({
      message: numbersLike(defaultMessageLimits).optional().describe('Octets and counts; `codec/limits.ts`'),
      transport: numbersLike(defaultTransportLimits)
        .optional()
        .describe('Connections, octets, milliseconds; `transport/port.ts`'),
      overload: numbersLike(defaultOverloadLimits).optional().describe('When new requests get 503; `overload/overload.ts`'),
      frame: whole(1024, 1_073_741_824).optional().describe('Octets of one frame from an application. Default 1 MiB'),
      sendQueue: whole(1024, 1_073_741_824).optional().describe('Octets an application may leave unread. Default 64 MiB'),
      applications: whole(1, 100_000).optional().describe('Connected applications. Default 256'),
      serverTransactions: whole(1, 10_000_000).optional().describe('Unanswered requests at once, then 503. Default 200,000')
    })
    .optional()
    .describe('Bounds'),
  options: z
    .strictObject({
      outbound: z
        .array(
          z.strictObject({
            method: z.string().default('*').describe('SIP method; * for all others'),
            url: z.string().describe('`http(s)://…`: a service that is asked; `tcp://` or `tls://host:port`: the application'),
            httpMethod: z.enum(['GET', 'POST']).optional().describe('How the service is asked. Default GET'),
            verify: z.boolean().optional().describe('Check the certificate of an https or tls peer. Default true')
          })
        )
        .optional()
        .describe('Asked or connected to for new requests, before applications that connected'),
      cdrs: z.boolean().optional().describe('Call records for applications that route `cdr:…`. Default false'),
      spam: z
        .strictObject({ userAgents: texts.default([]), toUsers: texts.default([]), fromUsers: texts.default([]) })
        .optional()
        .describe('Requests with one of these texts in User-Agent, or the user of To or From, get 603'),
      answerOptionsOf: texts.optional().describe('OPTIONS with one of these texts in User-Agent get 200 from the server'),
      preserveNames: texts.optional().describe('Header names that go out in the spelling the application used')
    })
    .optional()
    .describe('What is off by default'),
  dns: z
    .strictObject({
      servers: texts.optional().describe('Name servers. Default: those of the system'),
      timeoutMs: whole(1, 60_000).optional().describe('For each of two tries. Default 1500'),
      hostsFile: file.optional().describe('Default /etc/hosts')
    })
    .optional()
    .describe('How names of next hops are found'),
  userAgent: z.string().min(1).optional().describe('Server and User-Agent of messages the server makes by itself. Default: none'),
  metrics: z
    .strictObject({
      address: z.string().min(1).default('127.0.0.1').describe('Address; there is no login'),
      port: port.describe('Port of `GET /metrics`')
    })
    .optional()
    .describe('Prometheus metrics. Default: none'),
  capture: z
    .strictObject({
      address: z.string().min(1).describe('Address or name of the collector'),
      port: whole(1, 65_535).default(9060).describe('Its port'),
      transport: z.enum(['udp', 'tcp']).default('udp').describe('How it is reached'),
      agentId: whole(1, 0xffff_ffff).describe('Capture agent id'),
      authKey: z.string().min(1).max(128).optional().describe('Authentication key'),
      nodeName: z.string().min(1).max(128).optional().describe('Node name'),
      queue: whole(1, 1_000_000).optional().describe('Packets that may wait. Default 1024')
    })
    .optional()
    .describe('HEP3 collector (Homer) that is sent a copy of every message. Default: none'),
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info').describe('Least level that is logged')
})

/** Complete settings. */
export type Settings = Readonly<z.infer<typeof settingsSchema>>
/** What a file may hold. */
export type SettingsInput = Omit<z.input<typeof settingsSchema>, 'listen'> & {
  readonly listen: readonly (string | z.input<typeof listener>)[]
}
export type TlsSettings = z.infer<typeof tls>
