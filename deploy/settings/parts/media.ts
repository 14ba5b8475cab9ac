import { z } from 'zod'
import { name, portRange, positive } from './values.ts'

export const mediaSettings = z
  .strictObject({
    ports: portRange.describe('First and last UDP port for RTP; null takes a range that is free at the start'),
    jitterTargetMs: positive(500).default(20).describe('Target of the jitter buffer'),
    timeoutMs: positive(3_600_000).default(30_000).describe('A call without RTP for so long is ended'),
    maxParticipants: positive(1000).default(50).describe('Participants of one conference'),
    threads: positive(64).default(1).describe('Threads that mix; a conference lives in one of them'),
    voices: positive(100).default(8).describe('Voices mixed at once in a conference: the loudest'),
    economy: z
      .union([z.literal('auto'), z.literal(0), z.literal(1), z.literal(2)])
      .default('auto')
      .describe('Opus: `auto` saves time when a thread has little left; 0 never, 1 always, for more octets, 2 as much as it can'),
    limits: z
      .record(name, z.strictObject({ maxParticipants: positive(1000).optional(), voices: positive(100).optional() }))
      .default({})
      .describe('Other numbers of participants and voices for single conferences, by their names'),
    entrySound: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('Heard by all when somebody joins: `tone` (two rising notes) or a WAV file; null for nothing'),
    exitSound: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('Heard by all when somebody leaves: `tone` (two falling notes) or a WAV file; null for nothing'),
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

export const recordingSettings = z
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
