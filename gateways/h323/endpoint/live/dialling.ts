/** Everything of a call that goes out before its SETUP: the entry, admission, sound, the connection. */
import type { Socket } from 'node:net'
import { causes } from '../../call/causes.ts'
import type { Address } from '../../control/media.ts'
import type { AliasAddress } from '../../h225/h225.ts'
import type { CallMedia, MediaPlace } from '../endpoint.ts'
import { nameOf, type Target, textOfTarget } from '../target.ts'
import type { CallAdmission } from './admission.ts'
import type { Attempt } from './attempt.ts'
import type { CallRecord } from './record.ts'
import type { CallSound } from './sound.ts'

export interface DiallingPorts {
  readonly own: readonly AliasAddress[]
  readonly place: MediaPlace
  readonly record: Pick<CallRecord, 'sent'>
  readonly admission: Pick<CallAdmission, 'ask'>
  readonly sound: Pick<CallSound, 'open'>
  readonly attempt: Pick<Attempt, 'session' | 'channels'>
  readonly isOver: () => boolean
}

export type Reached =
  | {
      readonly ok: true
      readonly socket: Socket
      readonly media: CallMedia
      readonly address: Address
      readonly destination: readonly AliasAddress[]
    }
  | { readonly ok: false; readonly cause: number }

/** @returns null when the call ended meanwhile */
export async function reach(target: Target, ports: DiallingPorts): Promise<Reached | null> {
  const { own, place, record, admission, sound, attempt, isOver } = ports
  const from = nameOf(own) ?? ''
  const to = textOfTarget(target)
  if (!(await record.sent(from, to))) return { ok: false, cause: causes.temporaryFailure }
  if (isOver()) return null
  const admitted = await admission.ask({
    identity: attempt.session.identity,
    from,
    to,
    destination: target.aliases,
    source: [],
    address: target.address,
    connectedTo: null
  })
  if (isOver()) return null
  if (!admitted.ok) return admitted
  const address = admitted.address ?? target.address
  if (address === null) return { ok: false, cause: causes.noRoute }
  const [media, socket] = await Promise.all([sound.open(place), attempt.channels.connect(address)])
  if (isOver()) {
    socket?.destroy()
    return null
  }
  if (socket === null || socket.destroyed || media === null) {
    socket?.destroy()
    return { ok: false, cause: media === null ? causes.resourceUnavailable : causes.noRoute }
  }
  return { ok: true, socket, media, address, destination: admitted.destination ?? target.aliases }
}
