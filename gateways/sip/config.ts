import { z } from 'zod'
import { ConfigError, defaultHazards, isHazardName } from '#kernel'

/** Configuration of the SIP application. Everything but `drachtio` has a default that suits an embedded suite. */
export interface SipApplicationConfig {
  /** Admin port of the drachtio server. */
  readonly drachtio: { readonly host: string; readonly port: number; readonly secret: string }
  /** Addresses from which SIP is taken; everything else gets 403. Default: 127.0.0.1 and ::1. */
  readonly trustedEdges?: readonly string[] | undefined
  /** Name of this application in the record. Default `sip-1`. */
  readonly application?: string | undefined
  /** Conferences that can be dialled, or null for any name. Default: `council`. */
  readonly conferences?: readonly string[] | null | undefined
  /** Hazards that can end a dialled address. Default: those of the kernel. */
  readonly hazards?: readonly string[] | undefined
  /** Events without whose durable entry there is no call. Default: `policy_decision` and `INVITE`. */
  readonly failClosed?: readonly string[] | undefined
  /** Session interval asked for, seconds, 90–86400. Default 1800. */
  readonly sessionExpiresSeconds?: number | undefined
  /** Shortest session interval accepted, seconds, at least 90. Default 90. */
  readonly minSessionExpiresSeconds?: number | undefined
  /** Calls at a time; more get 503. Default 1000. */
  readonly maxCalls?: number | undefined
  /** Calls out to one expert at a time. Default 1. */
  readonly maxCallsPerExpert?: number | undefined
  /** Where calls out go first, a SIP URI, or null until {@link SipApplication.routeCallsOut} says. Default null. */
  readonly proxy?: string | null | undefined
  /** Host of the From URI of calls out, `sip:<conference>@<domain>`. Default `council.invalid`. */
  readonly domain?: string | undefined
  /** Number from which experts are called, in the place of the conference's name. */
  readonly number?: string | null | undefined
  /** From the INVITE to our final answer, milliseconds. Default 10000. */
  readonly setupTimeoutMs?: number | undefined
  /** How long a drain waits for BYEs to be answered, milliseconds. Default 3000. */
  readonly drainTimeoutMs?: number | undefined
  /** How long to wait for the drachtio server at start, milliseconds. Default 5000. */
  readonly connectTimeoutMs?: number | undefined
}

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)

const schema = z.strictObject({
  drachtio: z.strictObject({ host: z.string().min(1), port: z.number().int().min(1).max(65535), secret: z.string().min(1) }),
  trustedEdges: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .min(1)
    .default(['127.0.0.1', '::1']),
  application: name.default('sip-1'),
  conferences: z.array(name).min(1).nullable().default(['council']),
  hazards: z.array(z.string().refine(isHazardName, 'no hazard name')).default([...defaultHazards]),
  failClosed: z.array(z.string().regex(/^[A-Za-z0-9_]{1,64}$/)).default(['policy_decision', 'INVITE']),
  sessionExpiresSeconds: z.number().int().min(90).max(86400).default(1800),
  minSessionExpiresSeconds: z.number().int().min(90).max(86400).default(90),
  maxCalls: z.number().int().min(1).max(100_000).default(1000),
  maxCallsPerExpert: z.number().int().min(1).max(1000).default(1),
  proxy: z
    .string()
    .regex(/^sips?:[^\s<>]{1,256}$/)
    .nullable()
    .default(null),
  domain: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$/)
    .default('council.invalid'),
  number: z
    .string()
    .regex(/^\+[1-9]\d{1,14}$/)
    .nullable()
    .default(null),
  setupTimeoutMs: z.number().int().min(100).max(60_000).default(10_000),
  drainTimeoutMs: z.number().int().min(0).max(60_000).default(3000),
  connectTimeoutMs: z.number().int().min(100).max(60_000).default(5000)
})

export type ResolvedConfig = Readonly<z.infer<typeof schema>>

/**
 * Checks a configuration and fills in the defaults.
 *
 * @throws {ConfigError} naming every problem.
 */
export function resolveConfig(config: SipApplicationConfig): ResolvedConfig {
  const parsed = schema.safeParse(config)
  if (!parsed.success)
    throw new ConfigError(
      'sip application',
      parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
    )
  if (parsed.data.minSessionExpiresSeconds > parsed.data.sessionExpiresSeconds)
    throw new ConfigError('sip application', ['minSessionExpiresSeconds: larger than sessionExpiresSeconds'])
  return Object.freeze(parsed.data)
}
