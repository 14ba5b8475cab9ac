/** Calls a second: from dialling to release of both sides, through the gatekeeper, sound agreed on and not carried. */
import { silentLog } from '#kernel'
import type { Metric } from '#scripts/bench/report.ts'
import { startBench } from '../../gatekeeper/testing/fakes.ts'
import { createEndpoint, type OpenMedia, type SignallingModes } from '../endpoint.ts'

const calls = 600
const warmUp = 100
const atOnce = 16

/** Sound that goes nowhere. */
const noMedia: OpenMedia = async () => ({
  ok: true,
  media: {
    local: {
      rtp: { ip: '127.0.0.1', port: 5000 },
      rtcp: { ip: '127.0.0.1', port: 5001 },
      codecs: ['PCMU', 'PCMA', 'G722', 'G729'],
      eventPayloadType: 101,
      opusPayloadType: null
    },
    apply: async () => ({ ok: true }),
    onEvent: () => {},
    close: async () => null
  }
})

async function callsPerSecond(modes: Partial<SignallingModes>): Promise<number> {
  const bench = await startBench({
    config: {
      limits: { perAddress: 100_000, burst: 100_000, waiting: 10_000, callsPerEndpoint: 100_000 },
      bandwidth: { zone: 4e9, endpoint: 4e9, call: 200_000, least: 640 }
    }
  })
  const gatekeeper = { address: `127.0.0.1:${bench.gatekeeper.address.port}` }
  const open = (name: string) =>
    createEndpoint({
      aliases: [name],
      gatekeeper,
      listen: { ip: '127.0.0.1', port: 0 },
      media: noMedia,
      guard: null,
      witness: null,
      log: silentLog,
      modes
    })
  const [caller, called] = await Promise.all([open('caller'), open('called')])
  await Promise.all([caller.registered, called.registered])
  called.onCall((call) => void call.answer({ conference: 'c', participant: call.id, role: 'guardian' }))
  const one = async (): Promise<void> => {
    const call = caller.dial('called', { conference: 'c', participant: 'p', role: 'guardian' })
    await call.connected
    call.release()
    await call.ended
  }
  const many = async (count: number): Promise<void> => {
    let left = count
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left-- > 0) await one()
      })
    )
  }
  await many(warmUp)
  const start = performance.now()
  await many(calls)
  const seconds = (performance.now() - start) / 1000
  await Promise.all([caller.close(), called.close()])
  await bench.close()
  return calls / seconds
}

/** What `npm run bench:h323` says about calls. */
export async function callMetrics(): Promise<Metric[]> {
  return [
    {
      metric: 'h323.calls_per_s',
      value: await callsPerSecond({}),
      unit: 'calls/s',
      note: `dial to release, fast start, tunnelled, ARQ and DRQ of both sides; ${atOnce} at once, both endpoints and the gatekeeper in one process`
    },
    {
      metric: 'h323.slow_calls_per_s',
      value: await callsPerSecond({ fastStart: false, tunnelling: false }),
      unit: 'calls/s',
      note: 'the same without fast start, H.245 on a connection of its own'
    }
  ]
}
