/** A call that goes out, up to its SETUP: the entry, admission, sound, the connection. */
import { causes } from '../../call/causes.ts'
import type { MediaPlace } from '../endpoint.ts'
import { nameOf, type Target, textOfTarget } from '../target.ts'
import type { CallAdmission } from './admission.ts'
import type { Attempt } from './attempt.ts'
import type { CallRecord } from './record.ts'
import type { CallSound } from './sound.ts'
import type { CallWorld, DialMore } from './world.ts'

export interface DiallingPorts {
  readonly world: Pick<CallWorld, 'own' | 'listen' | 'endpointIdentifier'>
  readonly record: Pick<CallRecord, 'sent'>
  readonly admission: Pick<CallAdmission, 'ask'>
  readonly sound: Pick<CallSound, 'open'>
  readonly isOver: () => boolean
  /** Of no effect when the call is over. @param cause Q.850 */
  readonly failed: (cause: number) => void
}

/** Nothing is done any more when the call ended meanwhile. */
export async function dial(
  target: Target,
  place: MediaPlace,
  { genericData, supplementary }: Pick<DialMore, 'genericData' | 'supplementary'>,
  attempt: Pick<Attempt, 'session' | 'channels' | 'do'>,
  { world, record, admission, sound, isOver, failed }: DiallingPorts
): Promise<void> {
  const { session, channels } = attempt
  const from = nameOf(world.own.aliases) ?? ''
  const to = textOfTarget(target)
  if (!(await record.sent(from, to))) return failed(causes.temporaryFailure)
  if (isOver()) return
  const admitted = await admission.ask({
    identity: session.identity,
    from,
    to,
    destination: target.aliases,
    source: [],
    address: target.address,
    connectedTo: null
  })
  if (isOver()) return
  if (!admitted.ok) return failed(admitted.cause)
  const address = admitted.address ?? target.address
  if (address === null) return failed(causes.noRoute)
  const [media, socket] = await Promise.all([sound.open(place), channels.connect(address)])
  if (isOver() || socket === null || socket.destroyed || media === null) {
    socket?.destroy()
    return failed(media === null ? causes.resourceUnavailable : causes.noRoute)
  }
  channels.open(socket)
  if (session.wantsListening && !(await channels.listenH245())) return
  session.setLocal(media.local)
  attempt.do((one) =>
    one.dial(
      {
        destination: admitted.destination ?? target.aliases,
        destCallSignalAddress: address,
        sourceCallSignalAddress: world.listen,
        endpointIdentifier: world.endpointIdentifier()
      },
      { genericData, ...(supplementary !== undefined && { supplementary }) }
    )
  )
}
