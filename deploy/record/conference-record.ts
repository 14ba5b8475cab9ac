import { errorCode, type Log, newTraceId, type Witness } from '#kernel'
import type { ConferenceEvent, MediaPlane } from '#media'

/** What happens in conferences, whoever does it. */
export const conferenceComponent = 'IF.conference'

/**
 * Records who is kept from being heard, and by whom: what is muted, made an observer, or turned down has no part in what is decided. Speech, keys and raised hands
 * are not recorded here.
 */
export function recordConferences(
  media: Pick<MediaPlane, 'onConferenceEvent'>,
  { witness, log }: { readonly witness: Pick<Witness, 'record'>; readonly log: Log }
): void {
  const tell = (event: string, traceId: string, payload: Readonly<Record<string, string | number | boolean>>): void =>
    void witness
      .record({ component: conferenceComponent, event, traceId, payload }, 'soon')
      .catch((error: unknown) => log.error({ code: errorCode(error) }, 'not recorded'))
  media.onConferenceEvent((event: ConferenceEvent) => {
    switch (event.type) {
      case 'muted': {
        const { conference, participant, traceId, muted, by } = event
        return tell(muted ? 'participant_muted' : 'participant_unmuted', traceId, { conference, participant, by })
      }
      case 'role': {
        const { conference, participant, traceId, role } = event
        return tell('participant_role_changed', traceId, { conference, participant, role })
      }
      case 'volume': {
        const { conference, participant, traceId, heardDb, hearsDb } = event
        return tell('participant_volume_changed', traceId, { conference, participant, heardDb, hearsDb })
      }
      case 'locked':
        return tell(event.locked ? 'conference_locked' : 'conference_unlocked', newTraceId(), { conference: event.conference })
      default:
    }
  })
}
