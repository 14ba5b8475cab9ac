import { z } from 'zod'

export const port = z.number().int().min(0).max(65535)

export const address = z.union([z.ipv4(), z.ipv6()])

export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected lower-case letters, digits, dot, dash or underscore')

export const positive = (most: number) => z.number().int().min(1).max(most)

/** Null takes a range that is free at the start. */
export const portRange = z.tuple([port, port]).nullable().default(null)

export const tlsFiles = z
  .strictObject({ certificate: z.string().min(1), key: z.string().min(1) })
  .nullable()
  .default(null)
