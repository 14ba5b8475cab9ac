import { z } from 'zod'

export const pluginsSettings = z
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
