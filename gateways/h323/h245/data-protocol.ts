/** H.245 v17: protocols below data applications. */
import { anyInteger, choice, type Infer, integer, nothing, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { GenericInformation } from './generic.ts'
import { NonStandardParameter } from './identifiers.ts'

export const V42bis = sequence(
  {
    numberOfCodewords: integer(1, 65_536),
    maximumStringLength: integer(1, 256)
  },
  {}
)
export type V42bis = Infer<typeof V42bis>

export const CompressionType = choice(
  {
    v42bis: V42bis
  },
  {}
)
export type CompressionType = Infer<typeof CompressionType>

export const SCTPChunkType = integer(0, 255)
export type SCTPChunkType = Infer<typeof SCTPChunkType>

export const SctpParam = sequence(
  {
    appPPID: optional(sequenceOf(integer(1, 4_294_967_295))),
    maxMessageSize: optional(anyInteger),
    sctpExtensions: optional(sequenceOf(SCTPChunkType)),
    genericInformation: optional(sequenceOf(GenericInformation)),
    sctpPort: optional(integer(0, 65_535))
  },
  {}
)
export type SctpParam = Infer<typeof SctpParam>

export const DataProtocolCapability = choice(
  {
    nonStandard: NonStandardParameter,
    v14buffered: nothing,
    v42lapm: nothing,
    hdlcFrameTunnelling: nothing,
    h310SeparateVCStack: nothing,
    h310SingleVCStack: nothing,
    transparent: nothing
  },
  {
    segmentationAndReassembly: nothing,
    hdlcFrameTunnelingwSAR: nothing,
    v120: nothing,
    separateLANStack: nothing,
    v76wCompression: choice(
      {
        transmitCompression: CompressionType,
        receiveCompression: CompressionType,
        transmitAndReceiveCompression: CompressionType
      },
      {}
    ),
    tcp: nothing,
    udp: nothing,
    sctp: SctpParam,
    'udp-dtls-sctp': sequenceOf(SctpParam),
    'tcp-dtls-sctp': sequenceOf(SctpParam),
    'sctp-dtls': SctpParam
  }
)
export type DataProtocolCapability = Infer<typeof DataProtocolCapability>
