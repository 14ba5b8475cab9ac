import { z } from 'zod'

const id = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit')
  .describe('Registry id: names the party in the ledger and in metrics')
const uri = z.string().min(1).max(512).describe('SIP URI without parameters, as it stands in From')
const digestUser = z.string().min(1).max(128).describe('User that the edge must have authenticated for this URI')
const publicKey = z
  .string()
  .nullable()
  .default(null)
  .describe('Raw 32-byte Ed25519 public key in base64url, or null for a party that does not sign')
const certificateIdentity = z
  .string()
  .min(1)
  .max(512)
  .nullable()
  .default(null)
  .describe('SAN URI or subject CN that the client certificate must show, or null when none is demanded')
const signature = z
  .enum(['required', 'optional'])
  .default('optional')
  .describe('Whether calls without X-IF-Signature are refused; one that is there must be good either way')
const organisation = z.string().min(1).max(128)
const contact = z
  .string()
  .min(1)
  .max(512)
  .nullable()
  .default(null)
  .describe(
    'SIP URI at which the expert is called out, with transport; `registered` for where the phone has registered; null for the URI itself'
  )
const contrarian = z
  .boolean()
  .default(false)
  .describe('Speaks against the prevailing view, and is called when a contrarian is asked for')

/** The registry file: experts and Guardians. Digest secrets are not in it. */
export const registrySchema = z
  .strictObject({
    experts: z
      .array(
        z.strictObject({
          id,
          uri,
          organisation,
          specialisations: z.array(z.string().min(1).max(32)).min(1).max(64).describe('Hazards this expert is called for'),
          publicKey,
          certificateIdentity,
          digestUser,
          signature,
          contact,
          contrarian
        })
      )
      .max(10_000),
    guardians: z
      .array(
        z.strictObject({
          id,
          uri,
          organisation: organisation.nullable().default(null),
          publicKey,
          certificateIdentity,
          digestUser,
          signature
        })
      )
      .max(10_000)
      .default([])
  })
  .describe('Experts and Guardians that IF.guard knows')

/** The same as JSON Schema (2020-12), for editors: kept in `registry.schema.json`. */
export function registryJsonSchema(): unknown {
  return z.toJSONSchema(registrySchema, { io: 'input' })
}
