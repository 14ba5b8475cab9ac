/** The media plane with its stages and the recorder, as the suite is set. */
import type { Clock, Log, Witness } from '#kernel'
import { createMediaPlane, createStages, type MediaPlane, type Recorder, type RecorderEvent, type Stages } from '#media'
import type { DataLayout } from '../data/layout.ts'
import { freeUdpRange } from '../edge/free-ports.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { startRecorder } from './recording.ts'

export interface RunningMedia {
  readonly media: MediaPlane
  readonly stages: Stages
  /** Null where recordings are off. */
  readonly recorder: Recorder | null
  readonly close: () => Promise<void>
}

const automaticMediaPorts = 2000

export async function startMedia(
  config: SuiteConfig,
  layout: DataLayout,
  {
    witness,
    clock,
    log,
    onEvent
  }: {
    readonly witness: Witness
    readonly clock: Clock
    readonly log: Log
    readonly onEvent: (event: RecorderEvent) => void
  }
): Promise<RunningMedia> {
  const { address, announced, address6 } = config.listen
  const { ports, timeoutMs, jitterTargetMs, maxParticipants, threads, voices, limits, srtp, ice } = config.media
  const media = await createMediaPlane({
    address,
    announcedAddress: announced,
    address6,
    portRange: ports ?? (await freeUdpRange(address, automaticMediaPorts)),
    jitterTargetMs,
    mediaTimeoutMs: timeoutMs,
    maxParticipants,
    threads,
    voices,
    limits,
    srtp,
    ice,
    log: log.child({ part: 'media' })
  })
  try {
    const ports = { plane: media, witness, clock, log: log.child({ part: 'recorder' }) }
    const recorder = await startRecorder({ config, layout, ...ports, onEvent })
    const stages = createStages(media, clock)
    return {
      media,
      stages,
      recorder,
      close: async () => {
        await recorder?.close()
        stages.close()
        await media.close()
      }
    }
  } catch (error) {
    await media.close()
    throw error
  }
}
