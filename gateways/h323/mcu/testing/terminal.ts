/** An H.323 terminal with the sound half of a telephone, for tests. */
import type { ExecutionContext } from 'ava'
import { type LegEvent, silentLog } from '#kernel'
import { RtpPhone, type RtpPhoneOptions, sine } from '../../../../media/media.ts'
import { localMediaOf } from '../../control/media-terms.ts'
import type { Call, CallEvent, Endpoint, EndpointConfig, MediaPlace, OpenMedia } from '../../endpoint/endpoint.ts'
import { createEndpoint } from '../../endpoint/service.ts'

export interface Terminal {
  readonly endpoint: Endpoint
  readonly phone: RtpPhone
  /** Everything its calls told. */
  readonly events: CallEvent[]
  /** Calls and resolves when it is answered. */
  readonly call: (target: string, modes?: EndpointConfig['modes']) => Promise<Call>
  /** Rings, then answers every call from now on. */
  readonly answerAll: () => void
}

const place: MediaPlace = { conference: 'room', participant: 'me', role: 'guardian' }

const phoneMedia =
  (phone: RtpPhone): OpenMedia =>
  async () => ({
    ok: true,
    media: {
      // this telephone hears no telephone-events: digits come by H.245
      local: { ...localMediaOf(phone.sdp())!, eventPayloadType: null },
      apply: async ({ remote }) => {
        if (remote !== null) phone.sendTo({ address: remote.rtp.ip, port: remote.rtp.port })
        return { ok: true }
      },
      onEvent: (_listener: (event: LegEvent) => void) => undefined,
      close: async () => null
    }
  })

/** A tone that joins up with itself, of 2 s. */
export const tone = (frequencyHz: number, rateHz = 8000): Int16Array => sine(rateHz, frequencyHz, -12, 2 * rateHz)

export async function openTerminal(
  t: ExecutionContext,
  sound: RtpPhoneOptions,
  config: Partial<EndpointConfig> & { readonly aliases: readonly string[] }
): Promise<Terminal> {
  const phone = await RtpPhone.open(sound)
  const events: CallEvent[] = []
  const endpoint = await createEndpoint({
    listen: { ip: '127.0.0.1', port: 0 },
    media: phoneMedia(phone),
    guard: null,
    witness: null,
    log: silentLog,
    ...config
  })
  t.teardown(async () => {
    await endpoint.close()
    phone.close()
  })
  if (config.gatekeeper !== undefined && config.gatekeeper !== null) await endpoint.registered
  const watch = (call: Call): Call => {
    call.onEvent((event) => events.push(event))
    return call
  }
  return {
    endpoint,
    phone,
    events,
    call: async (target, modes) => {
      const call = watch(endpoint.dial(target, { ...place, ...(modes === undefined ? {} : { modes }) }))
      await call.connected
      return call
    },
    answerAll: () =>
      endpoint.onCall((call) => {
        watch(call)
        void call.alert().then(() => call.answer(place))
      })
  }
}
