import { z } from 'zod'
import { defaultHazards, isHazardName } from '#kernel'
import {
  certificatesSettings,
  edgeServerSettings,
  escalationSettings,
  guardSettings,
  listenSettings,
  sipSettings
} from './parts/calls.ts'
import { evidenceSettings, h323Settings, ndiSettings, webrtcSettings } from './parts/gateways.ts'
import { ledgerSettings } from './parts/ledger.ts'
import { mediaSettings, recordingSettings } from './parts/media.ts'
import { pluginsSettings } from './parts/plugins.ts'
import { address, name, positive } from './parts/values.ts'

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
      requestsPer10s: positive(100_000)
        .default(30)
        .describe('Requests per 10 s of one address (pike), and wrong credentials in five minutes'),
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
