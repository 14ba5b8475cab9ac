/** Discovery: GRQ, GCF, GRJ. @see H.323 §7.2.1 */
import type { GatekeeperRejectReason, GatekeeperRequest } from '../../h225/h225.ts'
import { baselineOids } from '../../h235/h235.ts'
import { addressOf, addressOfText, transportAddressOf } from '../addresses.ts'
import { answer, type Effect, type Origin, protocolFamily, protocolIdentifier, type Zone } from '../zone.ts'

export function takeGatekeeperRequest(zone: Zone, request: GatekeeperRequest, origin: Origin, multicast: boolean): Effect[] {
  const { requestSeqNum } = request
  const { identifier, users, limits, rasAddresses } = zone.settings
  const reject = (type: Exclude<GatekeeperRejectReason['type'], 'securityError' | 'unknownExtension'>): Effect[] => {
    // who asked everybody wants to hear only those who would take it
    if (multicast) return [{ type: 'silence', origin }]
    const rejectReason = { type } as GatekeeperRejectReason
    const others = zone.settings.alternateGatekeepers
    const altGKInfo = others.length === 0 ? undefined : { alternateGatekeeper: alternatesOf(zone), altGKisPermanent: false }
    return [
      answer(origin, 'gatekeeperReject', {
        requestSeqNum,
        protocolIdentifier,
        gatekeeperIdentifier: identifier,
        rejectReason,
        ...(altGKInfo !== undefined && { altGKInfo })
      })
    ]
  }
  if (!protocolFamily.test(request.protocolIdentifier)) return reject('invalidRevision')
  const asked = request.gatekeeperIdentifier?.replace(/\0+$/, '')
  if (asked !== undefined && asked !== '' && asked !== identifier) return reject('terminalExcluded')
  const ras = addressOf(request.rasAddress)
  if (rasAddresses === 'match' && ras?.ip !== origin.from.ip) return reject('terminalExcluded')
  if (zone.registrations.size() >= limits.endpoints) return reject('resourceUnavailable')
  if (users !== null) {
    const mechanisms = request.authenticationCapability
    const canHash = mechanisms === undefined || mechanisms.some(({ type }) => type === 'pwdHash')
    if (!canHash) return reject('securityDenial')
  }
  return [
    answer(origin, 'gatekeeperConfirm', {
      requestSeqNum,
      protocolIdentifier,
      gatekeeperIdentifier: identifier,
      rasAddress: transportAddressOf(zone.rasAddress),
      ...(zone.settings.alternateGatekeepers.length > 0 && { alternateGatekeeper: alternatesOf(zone) }),
      ...(users !== null && { authenticationMode: { type: 'pwdHash' } as const, algorithmOID: baselineOids.hmacSha1_96 })
    })
  ]
}

export const alternatesOf = (zone: Zone) =>
  zone.settings.alternateGatekeepers.map(({ identifier, address, priority }) => ({
    rasAddress: transportAddressOf(addressOfText(address)!),
    gatekeeperIdentifier: identifier,
    needToRegister: true,
    priority
  }))
