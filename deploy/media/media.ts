/** The media plane with its stages and the recorder, as the suite is set. */
import type { Clock, Log, Witness } from '#kernel'
import {
  createMediaPlane,
  createStages,
  type MediaPlane,
  type Recorder,
  type RecorderEvent,
  type Sound,
  type Stages,
  sounds
} from '#media'
import type { DataLayout } from '../data/layout.ts'
import { freeUdpRange } from '../edge/free-ports.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { startRecorder } from './recording.ts'
import { readSoundFile } from './sound-file.ts'

export interface RunningMedia {
  readonly media: MediaPlane
  readonly stages: Stages
  /** Null where recordings are off. */
  readonly recorder: Recorder | null
  readonly close: () => Promise<void>
}

const automaticMediaPorts = 2000

/** What `media.entrySound` and `media.exitSound` say. @throws {ConfigError} */
async function doorSound(which: 'entry' | 'exit', setting: string | null): Promise<Sound | null> {
  if (setting === null) return null
  return setting === 'tone' ? sounds[which] : readSoundFile('media', `${which}Sound`, setting)
}

/** @throws {ConfigError}; as createMediaPlane and startRecorder */
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
  const {
    ports,
    timeoutMs,
    jitterTargetMs,
    maxParticipants,
    threads,
    voices,
    economy,
    limits,
    srtp,
    ice,
    entrySound,
    exitSound
  } = config.media
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
    economy,
    limits,
    srtp,
    ice,
    entrySound: await doorSound('entry', entrySound),
    exitSound: await doorSound('exit', exitSound),
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
