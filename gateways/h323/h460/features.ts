/** H.460.1: features by their identifiers, and the parameters of those used here. */
import { type Pdu, pdu } from '../asn1/asn1.ts'
import type { Content, EnumeratedParameter, FeatureSet, GenericData, GenericIdentifier } from '../h225/generic-data.ts'
import { rasMessage } from '../h225/pdus.ts'
import type { RasMessage } from '../h225/ras/ras.ts'
import type { GenericParameter } from '../h245/generic.ts'
import { TraversalParameters } from './media-traversal.ts'
import { QosMonitoringReportData } from './quality-report.ts'
import { IncomingCallIndication, LRQKeepAliveData } from './signalling-traversal.ts'

/** Standard feature identifiers: the number behind "H.460.". */
export const features = {
  qualityMonitoring: 9,
  rasOverH225: 17,
  signallingTraversal: 18,
  mediaTraversal: 19,
  sessionIdentifier: 27
} as const

export const standard = (value: number): GenericIdentifier => ({ type: 'standard', value })

const isStandard = (id: GenericIdentifier, value: number): boolean => id.type === 'standard' && id.value === value

/** The generic data of a feature; undefined where it is not there. */
export const featureOf = (list: readonly GenericData[] | undefined, feature: number): GenericData | undefined =>
  list?.find(({ id }) => isStandard(id, feature))

/** Whether a feature set names a feature as supported, desired or needed. */
export const hasFeature = (set: FeatureSet | undefined, feature: number): boolean =>
  [set?.supportedFeatures, set?.desiredFeatures, set?.neededFeatures].some((list) => featureOf(list, feature) !== undefined)

/** Content of a parameter of a feature; undefined where it is not there. */
export const parameterOf = (data: GenericData | undefined, parameter: number): Content | undefined =>
  data?.parameters?.find(({ id }) => isStandard(id, parameter))?.content

export const feature = (id: number, parameters: readonly EnumeratedParameter[] = []): GenericData =>
  parameters.length === 0 ? { id: standard(id) } : { id: standard(id), parameters }

const raw = (id: number, octets: Uint8Array): EnumeratedParameter => ({
  id: standard(id),
  content: { type: 'raw', value: octets }
})

/** Carries a PER encoding as the raw content of one parameter. */
function carrier<T>(featureId: number, parameterId: number, inner: Pdu<T>) {
  return {
    /** @throws {EncodeError} `h323.per.encode` */
    encode: (value: T): GenericData => feature(featureId, [raw(parameterId, inner.encode(value))]),
    /** @throws {DecodeError} whatever PER finds; undefined where the parameter is not there */
    decode(list: readonly GenericData[] | undefined): T | undefined {
      const content = parameterOf(featureOf(list, featureId), parameterId)
      return content?.type === 'raw' ? inner.decode(content.value) : undefined
    }
  }
}

/** H.460.18 §9: in the SCI that announces a call. */
export const incomingCallIndication = carrier(
  features.signallingTraversal,
  1,
  pdu('IncomingCallIndication', IncomingCallIndication)
)

/** H.460.18 §10: in the LCF that answers a keep-alive LRQ. */
export const lrqKeepAlive = carrier(features.signallingTraversal, 2, pdu('LRQKeepAliveData', LRQKeepAliveData))

/** H.460.9 §8: in DRQ, IRR and the like. */
export const qualityReport = carrier(features.qualityMonitoring, 1, pdu('QosMonitoringReportData', QosMonitoringReportData))

/** H.460.17 §7: RAS messages inside a FACILITY, each a parameter. */
export const rasOverH225 = {
  encode: (messages: readonly RasMessage[]): GenericData =>
    feature(
      features.rasOverH225,
      messages.map((message) => raw(1, rasMessage.encode(message)))
    ),
  /** Octets of each RAS message; decode them one by one, so that one bad message spoils no other. */
  messagesOf: (list: readonly GenericData[] | undefined): readonly Uint8Array[] =>
    (featureOf(list, features.rasOverH225)?.parameters ?? []).flatMap(({ id, content }) =>
      isStandard(id, 1) && content?.type === 'raw' ? [content.value] : []
    )
}

/** H.460.19 §7.1 in a feature set: what the sender can do. */
export const mediaTraversalParameters = { supportTransmitMultiplexedMedia: 1, mediaTraversalServer: 2 } as const

const mediaTraversalOid = '0.0.8.460.19.0.1'
const traversalParameters = pdu('TraversalParameters', TraversalParameters)

/** H.460.19 §7.2: generic information in openLogicalChannel and its acknowledgement. */
export const mediaTraversal = {
  encode: (value: TraversalParameters) =>
    ({
      messageIdentifier: { type: 'standard', value: mediaTraversalOid },
      subMessageIdentifier: 1,
      messageContent: [
        {
          parameterIdentifier: { type: 'standard', value: 1 },
          parameterValue: { type: 'octetString', value: traversalParameters.encode(value) }
        }
      ]
    }) as const,
  decode(list: readonly GenericInformationLike[] | undefined): TraversalParameters | undefined {
    const information = list?.find(
      ({ messageIdentifier }) => messageIdentifier.type === 'standard' && messageIdentifier.value === mediaTraversalOid
    )
    const parameter = information?.messageContent?.find(
      ({ parameterIdentifier }) => parameterIdentifier.type === 'standard' && parameterIdentifier.value === 1
    )
    return parameter?.parameterValue.type === 'octetString'
      ? traversalParameters.decode(parameter.parameterValue.value)
      : undefined
  }
}

interface GenericInformationLike {
  readonly messageIdentifier: { readonly type: string; readonly value?: unknown }
  readonly messageContent?: readonly GenericParameter[]
}

const uuidOctets = 16

/**
 * H.460.27: the session identifier of RFC 7989, its two UUIDs as one raw parameter each.
 *
 * @remarks Written without the text of the Recommendation at hand: of its numbers only the feature's is certain.
 */
export const sessionIdentifier = {
  encode: (local: Uint8Array, remote: Uint8Array): GenericData =>
    feature(features.sessionIdentifier, [raw(1, local), raw(2, remote)]),
  decode(list: readonly GenericData[] | undefined): { readonly local: Uint8Array; readonly remote: Uint8Array } | undefined {
    const data = featureOf(list, features.sessionIdentifier)
    const [local, remote] = [1, 2].map((parameter) => parameterOf(data, parameter))
    if (local?.type !== 'raw' || remote?.type !== 'raw') return undefined
    if (local.value.length !== uuidOctets || remote.value.length !== uuidOctets) return undefined
    return { local: local.value, remote: remote.value }
  }
}
