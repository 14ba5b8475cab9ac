/** NDI in the suite: sources come into conferences, conferences go out as sources. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  type CallBridge,
  type CallContext,
  type Clock,
  errorCode,
  InfraFabricError,
  type Log,
  newTraceId,
  type Witness
} from '#kernel'
import { type FrameStore, ledgerFiles, openFrameStore } from '#ledger'
import {
  type MediaPlane,
  openEncoder,
  openHouseLine,
  openPictureFeed,
  openPictureView,
  openRtpOut,
  type Stages,
  stillPicture
} from '#media'
import {
  configureDiscovery,
  createIngests,
  type EncoderRequest,
  type IngestFormat,
  type IngestMedia,
  type Ingests,
  type IngestView,
  ingestBridge,
  loadRuntime,
  type NdiRuntime,
  ndiSources,
  openPublication,
  type PictureDestination,
  type Publication,
  type PublicationMedia,
  type PublicationView,
  sourcePattern
} from '#ndi'
import type { DataLayout } from '../data/layout.ts'
import { retainFrames } from '../record/frame-retention.ts'
import type { SuiteConfig } from '../settings/settings.ts'

export interface NdiPorts {
  readonly media: MediaPlane
  readonly stages: Stages
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
}

export interface IngestByHand {
  readonly conference: string
  readonly expertId: string | null
  /** Name of a source, `*` for any text. */
  readonly source: string
  readonly traceId: string
  readonly parentTraceId?: string
  /** Lines of its pictures and whether it is heard: null for what the configuration says. */
  readonly height: 480 | 720 | 1080 | null
  readonly codec: IngestFormat['codec'] | null
  readonly sound: boolean | null
  /** Where its pictures go by RTP; null for the conference. */
  readonly to: PictureDestination | null
}

/** NDI as the suite runs it. */
export interface RunningNdi {
  /** Of the runtime, for people. */
  readonly version: string
  readonly ingests: Ingests
  /** What is opened beside a call. */
  readonly bridge: CallBridge
  /** @throws {InfraFabricError} `ndi.ingest.full`, `ndi.ingest.codec` */
  readonly ingest: (wanted: IngestByHand) => string
  /** @throws {InfraFabricError} `ndi.publish.twice`, and as openPublication */
  readonly publish: (conference: string, name: string | null) => Promise<PublicationView>
  readonly unpublish: (conference: string) => Promise<boolean>
  /** A call has ended: what came in for it by hand goes with it. */
  readonly callEnded: (traceId: string) => void
  readonly list: () => { readonly ingests: readonly IngestView[]; readonly publications: readonly PublicationView[] }
  readonly close: () => Promise<void>
}

/** Longest look for a source, of the 10 s that an attempt has. */
const findMs = 5000
/** Lines of the suite's own in a conference: nobody is there for whom it would go on. */
const ownPrefix = 'ndi-'

const fourCCs = ['UYVY', 'BGRA', 'BGRX'] as const

function encode({ format, fourCC, width, height, lineStride, onUnit, onEnd }: EncoderRequest) {
  const known = fourCCs.find((code) => code === fourCC)
  if (known === undefined) throw new InfraFabricError('ndi.ingest.format', `pictures of ${fourCC} are not encoded`)
  const { codec, mostPerSecond, height: encodedHeight, bitrateKbps } = format
  return openEncoder({
    codec,
    fourCC: known,
    width,
    height,
    lineStride,
    mostPerSecond,
    encodedHeight,
    ...(bitrateKbps === null ? {} : { bitrateKbps }),
    onUnit,
    onEnd
  })
}

const lineName = (): string => `${ownPrefix}${randomBytes(4).toString('hex')}`

function ingestMedia({ media, stages }: NdiPorts): IngestMedia {
  return {
    encode,
    pictures: (conference, name, codec, to) => (to === null ? openPictureFeed(stages, conference, name) : openRtpOut(codec, to)),
    sound: (context, conference) => openHouseLine(media, context, { conference, participant: lineName(), role: 'guardian' })
  }
}

/** Whether anybody but lines of the suite's own is there. */
const isInhabited = (media: MediaPlane, conference: string): boolean =>
  media.conferences().includes(conference) &&
  media.roster(conference).some(({ participant }) => !participant.startsWith(ownPrefix))

function publicationMedia({ media, stages }: NdiPorts): PublicationMedia {
  return {
    view: (conference, size, onPicture, onEnd) =>
      openPictureView(stages, { conference, name: lineName(), ...size, onPicture, onEnd }),
    mix: (context, conference, onMix) =>
      openHouseLine(media, context, { conference, participant: lineName(), role: 'observer', onMix }),
    still: stillPicture,
    isInhabited: (conference) => isInhabited(media, conference)
  }
}

/** The runtime. @throws {InfraFabricError} `ndi.runtime.absent`, `ndi.runtime.unusable` */
export async function ndiRuntime(config: SuiteConfig, layout: DataLayout): Promise<NdiRuntime> {
  const { discoveryServer } = config.ndi
  if (discoveryServer !== null) await configureDiscovery(join(layout.folder, 'ndi'), discoveryServer)
  return loadRuntime()
}

/** Begins what the configuration says. */
export async function startNdi(
  runtime: NdiRuntime,
  config: SuiteConfig,
  layout: DataLayout,
  ports: NdiPorts
): Promise<RunningNdi> {
  const { ndi } = config
  const { clock, log, witness } = ports
  const frames: FrameStore = openFrameStore(ledgerFiles(layout.ledger).frames)
  const { frameProofDays } = ndi
  const endRetention = frameProofDays === null ? null : retainFrames(frameProofDays, { frames, witness, clock, log })
  const finder = { extraAddresses: ndi.addresses, groups: ndi.groups }
  const ingests = createIngests({
    sources: ndiSources(runtime, finder, findMs),
    media: ingestMedia(ports),
    witness,
    frames,
    clock,
    log
  })
  const { source, height, codec, rate, bitrateKbps, sound, holdMs } = ndi.ingest
  const usual = { format: { codec, height, mostPerSecond: rate, bitrateKbps }, sound, holdMs }
  const publications = new Map<string, Publication>()
  const opening = new Set<string>()
  const ended = new AbortController()
  const contextOf = (traceId: string, parentTraceId?: string): CallContext => ({
    traceId,
    ...(parentTraceId === undefined ? {} : { parentTraceId }),
    log,
    signal: ended.signal,
    now: clock.now
  })

  /** Calls for which sources came in by hand, by the ids of these. */
  const calls = new Map<string, string>()
  const end = (id: string, reason: string): void => void ingests.stop(id, reason)
  // its sound would keep a conference open that everybody has left
  ports.media.onConferenceEvent(({ type, conference }) => {
    if (type !== 'left' || ended.signal.aborted || isInhabited(ports.media, conference)) return
    for (const each of ingests.list()) if (each.conference === conference) end(each.id, 'conference-over')
  })

  const publish = async (conference: string, name: string | null): Promise<PublicationView> => {
    if (opening.has(conference)) throw new InfraFabricError('ndi.publish.twice', `${conference} is published already`)
    opening.add(conference)
    try {
      const { height: lines, rate: perSecond } = ndi.publish
      const request = { conference, name: name ?? conference, groups: ndi.groups, height: lines, rate: perSecond }
      const media = publicationMedia(ports)
      const publication = await openPublication({ runtime, media, witness, frames, clock, log }, contextOf(newTraceId()), request)
      publications.set(conference, publication)
      return publication.view()
    } catch (error) {
      opening.delete(conference)
      throw error
    }
  }
  const unpublish = async (conference: string): Promise<boolean> => {
    const publication = publications.get(conference)
    if (publication === undefined) return false
    publications.delete(conference)
    await publication.close('stopped')
    opening.delete(conference)
    return true
  }
  for (const conference of ndi.publish.conferences)
    publish(conference, null).catch((error: unknown) => log.error({ code: errorCode(error), conference }, 'not published'))

  return {
    version: runtime.version,
    ingests,
    bridge: ingestBridge(() => ingests, { pattern: source, ...usual }),
    ingest: ({ conference, expertId, source: pattern, traceId, parentTraceId, height: lines, codec: by, to, sound: heard }) => {
      const { id } = ingests.start(contextOf(traceId, parentTraceId), {
        conference,
        expertId,
        fits: sourcePattern(pattern),
        ...usual,
        format: { ...usual.format, height: lines ?? height, codec: by ?? codec },
        to,
        sound: heard ?? sound
      })
      if (parentTraceId !== undefined) calls.set(id, parentTraceId)
      return id
    },
    callEnded: (traceId) => {
      for (const [id, call] of calls) {
        if (call !== traceId) continue
        calls.delete(id)
        end(id, 'call-ended')
      }
    },
    publish,
    unpublish,
    list: () => ({ ingests: ingests.list(), publications: [...publications.values()].map(({ view }) => view()) }),
    close: async () => {
      ended.abort()
      endRetention?.()
      await ingests.close()
      await Promise.all([...publications.keys()].map(unpublish))
      frames.close()
    }
  }
}
