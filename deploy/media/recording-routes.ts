/** The recorder over HTTP, for operators. */
import { z } from 'zod'
import { jsonAnswer, Problem, type Route, route } from '#ledger'
import type { Recorder, RecorderRefusal } from '#media'

const status = z.object({
  recording: z.string(),
  conference: z.string(),
  state: z.enum(['asking', 'running', 'ending']),
  participants: z.array(z.object({ participant: z.string(), consent: z.string() }))
})
const done = z.object({ recording: z.string() })
const params = z.strictObject({ conference: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/) })
const nothing = z.strictObject({})
const json = 'application/json'

const refusals: Readonly<Record<RecorderRefusal, readonly [ConstructorParameters<typeof Problem>[0], string]>> = {
  'recording.off': ['refused', 'no policy lets this conference be recorded'],
  'recording.empty': ['refused', 'nobody is in this conference'],
  'recording.forbidden': ['refused', 'not yours to start or stop'],
  'recording.running': ['refused', 'it is being recorded'],
  'recording.absent': ['not-found', 'it is not being recorded']
}

/** @param running what is asked; null where recordings are off, or the suite is starting */
export function recordingRoutes(running: () => Recorder | null): Route[] {
  const here = (): Recorder => {
    const recorder = running()
    if (recorder === null) throw new Problem('out-of-service', 'recordings are off (recording.enabled)')
    return recorder
  }
  const change = (verb: 'start' | 'stop', operation: string, summary: string): Route =>
    route({
      method: 'POST',
      path: `/v1/recordings/{conference}/${verb}`,
      operation,
      summary,
      access: 'admin',
      query: null,
      params,
      body: nothing,
      answers: { [json]: done },
      statuses: [404, 409, 503],
      handle: async ({ params: { conference } }) => {
        const outcome = here()[verb](conference, 'operator')
        if (!outcome.ok) throw new Problem(...refusals[outcome.code])
        return jsonAnswer({ recording: outcome.recording })
      }
    })
  return [
    route({
      method: 'GET',
      path: '/v1/recordings',
      operation: 'listRecordings',
      summary: 'Recordings that are running, and who has agreed',
      access: 'admin',
      query: null,
      params: null,
      body: null,
      answers: { [json]: z.object({ recordings: z.array(status) }) },
      statuses: [503],
      handle: async () => jsonAnswer({ recordings: here().status() })
    }),
    change('start', 'startRecording', 'Begins to record a conference: who agrees is recorded'),
    change('stop', 'stopRecording', 'Ends the recording of a conference')
  ]
}
