/** Evidence in the suite: a session for each call that is in a conference, the files, and links for those who have no page. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import {
  type CallBridgeSession,
  type CallContext,
  type Clock,
  errorCode,
  InfraFabricError,
  type Log,
  type Witness
} from '#kernel'
import type { Rooms, Stages } from '#media'
import {
  type CouncilEvidence,
  createEvidence,
  createEvidencePages,
  createPageLinks,
  type Evidence,
  type EvidenceContext,
  type EvidenceItem,
  openEvidenceStore
} from '#webrtc'
import type { SuiteEvent } from '../events.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import { createEvidencePictures, type EvidencePicturesParts } from './pictures.ts'

/** A participant without a page, and the link that it was given. */
export interface GivenLink {
  readonly call: string
  readonly conference: string
  readonly participant: string
  readonly url: string
  readonly expiresAt: number
  /** Whether telephone or terminal has taken it; null while it is asked, and where it cannot be. */
  readonly shown: boolean | null
}

export interface RunningEvidence extends Evidence {
  /** What of the page's server is evidence's. */
  readonly pages: CouncilEvidence
  /** Is to be told what the suite tells. */
  readonly take: (event: SuiteEvent) => void
  /** Where the page is reached, once it runs. */
  readonly servedAt: (url: string) => void
  /** Links of telephones and terminals in calls that have evidence. */
  readonly links: () => readonly GivenLink[]
}

export interface EvidenceParts {
  readonly rooms: Pick<Rooms, 'openData'>
  readonly witness: Witness
  readonly clock: Clock
  readonly log: Log
  /** Shows a text on the telephone of a call. @returns whether it took it; null where it cannot be asked */
  readonly showOn: (call: string, text: string) => Promise<boolean | null>
  /** Terminals of H.323 in a conference, and how a text is shown on each. */
  readonly terminals: (conference: string) => readonly Viewer[]
  readonly stages: Stages
  /** The second screens of room systems; null where H.323 is off. */
  readonly screens: Pick<EvidencePicturesParts, 'present' | 'onPresentationEnd'> | null
}

/** Whoever has no page. */
export interface Viewer {
  readonly participant: string
  /** @returns whether it took the text; null where it cannot be asked */
  readonly show: (text: string) => Promise<boolean | null>
}

interface OpenCall {
  readonly conference: string
  readonly participant: string
  readonly session: CallBridgeSession
}

const minuteMs = 60_000
/** Nobody there presents: telephones see what they are shown. */
const noScreens: NonNullable<EvidenceParts['screens']> = {
  present: () => ({ onEnd: () => undefined, end: () => undefined }),
  onPresentationEnd: () => undefined
}

const otherFile = (): InfraFabricError => new InfraFabricError('evidence.hash', 'the file on disk is not the one that was shared')

/** Opens the folder of the evidence. @throws {Error} of the file system */
export async function startEvidence(
  { evidence: config }: SuiteConfig,
  folder: string,
  parts: EvidenceParts
): Promise<RunningEvidence> {
  const { rooms, witness, clock, log, showOn, terminals, stages, screens } = parts
  const megabyte = 1 << 20
  const store = await openEvidenceStore(
    folder,
    {
      mostBytes: config.fileMegabytes * megabyte,
      mostBytesOfTrace: config.callMegabytes * megabyte,
      mostFilesOfTrace: config.callFiles,
      mostBytesInAll: config.totalMegabytes * megabyte,
      mediaTypes: config.mediaTypes
    },
    log,
    clock.now
  )
  const evidence = createEvidence({ store, openData: rooms.openData, witness, clock, log })
  const pages = createEvidencePages(evidence, { openData: rooms.openData, clock, log })
  const pageLinks = createPageLinks(evidence, store, config.linkMinutes * minuteMs, clock, log)
  const pictures = createEvidencePictures({
    stages,
    ...(screens ?? noScreens),
    read: async ({ id, sha256 }) => {
      const octets = await readFile(store.path(id))
      if (createHash('sha256').update(octets).digest('hex') !== sha256) throw otherFile()
      return octets
    },
    locate: async ({ id, sha256 }) => {
      const path = store.path(id)
      const hash = createHash('sha256')
      await pipeline(createReadStream(path), hash)
      if (hash.digest('hex') !== sha256) throw otherFile()
      return path
    },
    shown: (call, item, { participant, ...shown }) => {
      const conference = calls.get(call)?.conference
      const isTerminal = conference !== undefined && terminals(conference).some((each) => each.participant === participant)
      evidence.shown(call, item, { participant, by: isTerminal ? 'h239' : 'sip', ...shown })
    },
    failed: (call, { id }, code) => record('evidence_not_shown', call, { evidence: id, code }),
    clock,
    log
  })
  const calls = new Map<string, OpenCall>()
  const given = new Map<string, GivenLink>()
  /** What calls are about that are not yet in a conference. */
  const about = new Map<string, Pick<EvidenceContext, 'hazard' | 'policy'>>()
  let baseUrl = ''

  /** Who has seen no link of the call, or one that is soon over, gets one: its telephone, and the terminals of its conference. */
  function show(call: string, item: EvidenceItem): void {
    const open = calls.get(call)
    if (open === undefined) return
    const { conference, participant } = open
    const { name } = item
    if (config.onScreens) pictures.offered(call, conference, item)
    const telephone: Viewer = { participant, show: (text) => showOn(call, text) }
    for (const viewer of [telephone, ...terminals(conference)]) showTo(viewer, call, conference, name)
  }

  function showTo({ participant, show }: Viewer, call: string, conference: string, name: string): void {
    const key = `${call} ${participant}`
    const before = given.get(key)
    if (before !== undefined && before.expiresAt - clock.now() > minuteMs) return
    const { path, expiresAt } = pageLinks.make(call, participant)
    const url = `${baseUrl}${path}`
    const link = { call, conference, participant, url, expiresAt, shown: null }
    given.set(key, link)
    show(`Evidence of this call (${name}): ${url}`).then(
      (shown) => {
        if (given.get(key) === link) given.set(key, { ...link, shown })
        record('evidence_link_given', call, { participant, shown, expiresAt: new Date(expiresAt).toISOString() })
      },
      (error: unknown) => log.warn({ code: errorCode(error), call }, 'somebody was not shown the link')
    )
  }

  function record(event: string, traceId: string, payload: { readonly [name: string]: string | boolean | null }): void {
    witness
      .record({ component: 'IF.bridge.evidence', event, traceId, payload })
      .catch((error: unknown) => log.error({ code: errorCode(error), event }, 'entry not recorded'))
  }

  evidence.onOffered(show)

  return {
    ...evidence,
    pages: { upgrade: pages.upgrade, left: pages.left, serve: pageLinks.serve },
    servedAt: (url) => {
      baseUrl = url
    },
    links: () => [...given.values()],
    take: (event) => {
      if (event.type === 'received' || event.type === 'calling') about.set(event.traceId, { hazard: event.hazard, policy: [] })
      else if (event.type === 'decided') {
        const { hazard = null } = about.get(event.traceId) ?? {}
        about.set(event.traceId, { hazard, policy: event.findings.map(({ policy, code }) => ({ code: policy, reason: code })) })
      } else if (event.type === 'established') {
        const { traceId, parentTraceId, conference, participant } = event
        const context: CallContext = {
          traceId,
          ...(parentTraceId === undefined ? {} : { parentTraceId }),
          log: log.child({ traceId }),
          signal: new AbortController().signal,
          now: clock.now
        }
        const opened = evidence.bridge.open(context, { conference, expertId: participant })
        if (!opened.ok) {
          log.warn({ code: opened.skipped, call: traceId }, 'a call has no evidence')
          return
        }
        calls.set(traceId, { conference, participant, session: opened.session })
        evidence.context(traceId, about.get(traceId) ?? {})
        for (const item of evidence.ofCall(traceId) ?? []) show(traceId, item)
      } else if (event.type === 'ended') {
        const call = calls.get(event.traceId)
        about.delete(event.traceId)
        calls.delete(event.traceId)
        pictures.callEnded(event.traceId)
        for (const [key, link] of given) if (link.call === event.traceId) given.delete(key)
        void call?.session.close('call ended')
      }
    },
    erase: (id, reason) => {
      pictures.withdrawn(id)
      return evidence.erase(id, reason)
    },
    close: async () => {
      pictures.close()
      pages.close()
      await evidence.close()
    }
  }
}
