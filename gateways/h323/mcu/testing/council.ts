/** Gatekeeper, MCU and media plane of a council, each the real one, over sockets of 127.0.0.1. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { silentLog, type WitnessEvent } from '#kernel'
import { createMediaPlane, createPictures, createStages } from '../../../../media/media.ts'
import { conferenceMedia } from '../../endpoint/conference-media.ts'
import { textOfAddress } from '../../gatekeeper/addresses.ts'
import { startBench } from '../../gatekeeper/testing/fakes.ts'
import { createMcu, type McuConfig } from '../mcu.ts'

type Range = readonly [first: number, last: number]

export const until = async (what: () => boolean | Promise<boolean>, why: string, withinMs = 20_000): Promise<void> => {
  for (const deadline = Date.now() + withinMs; !(await what()); await sleep(20)) if (Date.now() > deadline) throw new Error(why)
}

/** Everybody who has registered gets into `council`. @param pictures none where there is sound alone */
export async function startCouncil(
  t: ExecutionContext,
  ports: { readonly sound: Range; readonly pictures?: Range },
  more: Partial<McuConfig> = {}
) {
  const bench = await startBench()
  t.teardown(bench.close)
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: ports.sound, log: silentLog, srtp: 'off' })
  t.teardown(media.close)
  const stages = createStages(media)
  t.teardown(stages.close)
  const pictures =
    ports.pictures === undefined
      ? null
      : createPictures(media, { address: '127.0.0.1', portRange: ports.pictures, stages, log: silentLog })
  if (pictures !== null) t.teardown(pictures.close)
  const entries: WitnessEvent[] = []
  const gatekeeper = { address: textOfAddress(bench.gatekeeper.address) }
  const mcu = await createMcu({
    aliases: ['council'],
    gatekeeper,
    listen: { ip: '127.0.0.1', port: 0 },
    media: conferenceMedia(media),
    floor: media,
    ...(pictures === null ? {} : { pictures }),
    guard: null,
    witness: {
      record: async (event) => {
        entries.push(event)
        return { state: 'spooled' }
      }
    },
    log: silentLog,
    conferenceOf: () => 'council',
    callerOf: (id) => {
      const call = bench.gatekeeper.call(id)
      // what only the called side asked about says nothing of the caller
      const isKnown = call?.legs.some(({ answering }) => !answering) === true
      return isKnown ? { name: /^sip:([^@]+)@/.exec(call.from)![1]!, role: 'guardian' } : null
    },
    ...more
  })
  t.teardown(mcu.close)
  await mcu.endpoint.registered
  const entriesOf = (event: string): WitnessEvent[] => entries.filter((entry) => entry.event === event)
  return { bench, media, stages, mcu, entries, entriesOf, gatekeeper }
}
