/** Messages of RAS as an endpoint sends them. Pure. */
import { type Address, transportAddressOf } from '../gatekeeper/addresses.ts'
import type { AliasAddress, EndpointType, RasMessage, VendorIdentifier } from '../h225/h225.ts'
import { h225ProtocolIdentifier } from '../h225/version.ts'

type Named<T extends RasMessage['type']> = Extract<RasMessage, { readonly type: T }>

/** What an endpoint says of itself. */
export interface RasSelf {
  readonly rasAddress: Address
  readonly callSignalAddress: Address
  readonly aliases: readonly AliasAddress[]
  readonly endpointType: EndpointType
  readonly vendor: VendorIdentifier
  readonly timeToLiveS: number
}

/** How gatekeeper and endpoint are called, as far as known. */
export interface RasNames {
  readonly endpointIdentifier: string
  readonly gatekeeperIdentifier: string | null
}

export interface ReportedCall {
  readonly callReference: number
  readonly callIdentifier: Uint8Array
  readonly conferenceId: Uint8Array
  readonly isOriginator: boolean
  readonly bandwidth: number
}

export interface AdmissionParts {
  readonly answering: boolean
  readonly destination: readonly AliasAddress[]
  readonly destCallSignalAddress: Address | null
  readonly source: readonly AliasAddress[]
  readonly srcCallSignalAddress: Address | null
  readonly callReference: number
  readonly callIdentifier: Uint8Array
  readonly conferenceId: Uint8Array
  /** Units of 100 bit/s. */
  readonly bandwidth: number
}

/** GRQ. @param isSealed by a password: the gatekeeper is told how */
export const gatekeeperRequest = (
  requestSeqNum: number,
  self: RasSelf,
  identifier: string | null,
  isSealed: boolean
): Named<'gatekeeperRequest'> => ({
  type: 'gatekeeperRequest',
  value: {
    requestSeqNum,
    protocolIdentifier: h225ProtocolIdentifier,
    rasAddress: transportAddressOf(self.rasAddress),
    endpointType: self.endpointType,
    ...(identifier !== null && { gatekeeperIdentifier: identifier }),
    endpointAlias: [...self.aliases],
    ...(isSealed && {
      authenticationCapability: [{ type: 'pwdHash' }],
      algorithmOIDs: ['0.0.8.235.0.2.6']
    })
  }
})

/** RRQ. @param full false for a sign of life */
export const registrationRequest = (
  requestSeqNum: number,
  self: RasSelf,
  { endpointIdentifier, gatekeeperIdentifier }: { readonly [K in keyof RasNames]: RasNames[K] | null },
  full: boolean
): Named<'registrationRequest'> => ({
  type: 'registrationRequest',
  value: {
    requestSeqNum,
    protocolIdentifier: h225ProtocolIdentifier,
    discoveryComplete: true,
    callSignalAddress: [transportAddressOf(self.callSignalAddress)],
    rasAddress: [transportAddressOf(self.rasAddress)],
    terminalType: self.endpointType,
    ...(full && { terminalAlias: [...self.aliases] }),
    ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier }),
    endpointVendor: self.vendor,
    timeToLive: self.timeToLiveS,
    keepAlive: !full,
    ...(endpointIdentifier !== null && { endpointIdentifier }),
    willSupplyUUIEs: false
  }
})

/** ARQ. */
export const admissionRequest = (
  requestSeqNum: number,
  { endpointIdentifier, gatekeeperIdentifier }: RasNames,
  parts: AdmissionParts
): Named<'admissionRequest'> => ({
  type: 'admissionRequest',
  value: {
    requestSeqNum,
    callType: { type: 'pointToPoint' },
    callModel: { type: 'direct' },
    endpointIdentifier,
    ...(parts.destination.length > 0 && { destinationInfo: [...parts.destination] }),
    ...(parts.destCallSignalAddress !== null && {
      destCallSignalAddress: transportAddressOf(parts.destCallSignalAddress)
    }),
    srcInfo: [...parts.source],
    ...(parts.srcCallSignalAddress !== null && { srcCallSignalAddress: transportAddressOf(parts.srcCallSignalAddress) }),
    bandWidth: parts.bandwidth,
    callReferenceValue: parts.callReference,
    conferenceID: parts.conferenceId,
    activeMC: false,
    answerCall: parts.answering,
    canMapAlias: !parts.answering,
    callIdentifier: { guid: parts.callIdentifier },
    ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier }),
    willSupplyUUIEs: false
  }
})

/** DRQ. */
export const disengageRequest = (
  requestSeqNum: number,
  { endpointIdentifier, gatekeeperIdentifier }: RasNames,
  call: ReportedCall
): Named<'disengageRequest'> => ({
  type: 'disengageRequest',
  value: {
    requestSeqNum,
    endpointIdentifier,
    conferenceID: call.conferenceId,
    callReferenceValue: call.callReference,
    disengageReason: { type: 'normalDrop' },
    callIdentifier: { guid: call.callIdentifier },
    ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier }),
    answeredCall: !call.isOriginator
  }
})

/** URQ. */
export const unregistrationRequest = (
  requestSeqNum: number,
  self: RasSelf,
  { endpointIdentifier, gatekeeperIdentifier }: RasNames
): Named<'unregistrationRequest'> => ({
  type: 'unregistrationRequest',
  value: {
    requestSeqNum,
    callSignalAddress: [transportAddressOf(self.callSignalAddress)],
    endpointIdentifier,
    ...(gatekeeperIdentifier !== null && { gatekeeperIdentifier })
  }
})

/** IRR. @param unsolicited at an interval, without an IRQ */
export const infoRequestResponse = (
  requestSeqNum: number,
  self: RasSelf,
  endpointIdentifier: string | null,
  calls: readonly ReportedCall[],
  unsolicited = false
): Named<'infoRequestResponse'> => {
  const perCallInfo = calls.map((call) => ({
    callReferenceValue: call.callReference,
    conferenceID: call.conferenceId,
    originator: call.isOriginator,
    h245: {},
    callSignaling: {},
    callType: { type: 'pointToPoint' as const },
    bandWidth: call.bandwidth,
    callModel: { type: 'direct' as const },
    callIdentifier: { guid: call.callIdentifier }
  }))
  return {
    type: 'infoRequestResponse',
    value: {
      requestSeqNum,
      endpointType: self.endpointType,
      endpointIdentifier: endpointIdentifier ?? '0',
      rasAddress: transportAddressOf(self.rasAddress),
      callSignalAddress: [transportAddressOf(self.callSignalAddress)],
      endpointAlias: [...self.aliases],
      ...(perCallInfo.length > 0 && { perCallInfo }),
      ...(unsolicited && { needResponse: false, unsolicited })
    }
  }
}

/** Why a request was refused. */
export const reasonOf = (message: RasMessage): string =>
  'value' in message && typeof message.value === 'object' && message.value !== null && 'rejectReason' in message.value
    ? (message.value.rejectReason as { readonly type: string }).type
    : message.type
