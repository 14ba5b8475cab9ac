import { z } from 'zod'
import { address, port, tlsFiles } from './values.ts'

export const ledgerSettings = z
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
