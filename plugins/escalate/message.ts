import { z } from 'zod'
import { isAcceptableTraceId, isHazardName } from '#kernel'

const registryId = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected a registry id')
const hazard = z.string().refine(isHazardName, 'no hazard name').meta({ pattern: '^[a-z][a-z0-9-]{0,31}$' })

/** A file that the council is to see. The bytes travel elsewhere; the hash binds them to the escalation. */
export const evidenceSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(255)
    .refine((name) => !/[\u0000-\u001f\u007f/\\]/.test(name), 'expected a plain file name')
    .describe('File name, without a path'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits')
    .describe('SHA-256 of the file'),
  media_type: z
    .string()
    .regex(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/, 'expected a media type')
    .default('application/octet-stream'),
  bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  uri: z
    .url({ protocol: /^https$/ })
    .max(2048)
    .nullable()
    .default(null)
    .describe('Where those who may can fetch it')
})
export type Evidence = Readonly<z.infer<typeof evidenceSchema>>

/** What an escalation asks for. */
const escalationPayload = z.strictObject({
  trace_id: z
    .string()
    .max(128)
    .refine(isAcceptableTraceId, 'expected 1 to 128 of A-Z a-z 0-9 . _ : @ / + -')
    .nullable()
    .default(null)
    .describe('Trace under which everything is recorded; null for a new one'),
  hazard: hazard.describe('What the call is about'),
  expert: registryId
    .nullable()
    .default(null)
    .describe('Registry id of the one expert to be called; null for whoever has the specialisation'),
  specialisation: hazard
    .nullable()
    .default(null)
    .describe('Whose experts are called when none is named; null for those of the hazard'),
  conference: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected the name of a conference')
    .default('council')
    .describe('Conference into which the expert is brought'),
  hunt: z
    .enum(['sequential', 'parallel'])
    .default('sequential')
    .describe('One expert after the other, or all at once: who answers first is connected'),
  contrarian: z.boolean().default(false).describe('Also calls an expert who speaks against the prevailing view'),
  ring_timeout_s: z
    .number()
    .int()
    .min(1)
    .max(180)
    .nullable()
    .default(null)
    .describe('How long each expert is rung; null for the setting of the suite'),
  summary: z.string().max(4000).nullable().default(null).describe('What it is about, for the council. Recorded by its hash'),
  evidence_files: z.array(evidenceSchema).max(64).default([]),
  ndi_video_enabled: z.boolean().default(false).describe('Whether evidence video is to be shown to the expert')
})

/** The message by which an AI system escalates. */
export const ifMessageSchema = z
  .strictObject({
    performative: z.literal('escalate'),
    sender: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/, 'expected 1 to 128 printable ASCII characters')
      .describe('Who raises the hazard'),
    message_id: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/, 'expected 1 to 128 printable ASCII characters')
      .nullable()
      .default(null),
    payload: escalationPayload
  })
  .describe('IFMessage with the performative `escalate`')

export type IfMessage = Readonly<z.infer<typeof ifMessageSchema>>
/** What may be given: everything with a default may be left out. */
export type IfMessageInput = z.input<typeof ifMessageSchema>
