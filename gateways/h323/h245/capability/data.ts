/** H.245 v17: data capabilities. */
import {
  anyInteger,
  boolean,
  choice,
  type Extensible,
  type Infer,
  ia5String,
  integer,
  lazy,
  nothing,
  octetString,
  optional,
  sequence,
  sequenceOf,
  type Type
} from '../../asn1/asn1.ts'
import { DataProtocolCapability } from '../data-protocol.ts'
import { GenericInformation } from '../generic.ts'
import { NonStandardParameter } from '../identifiers.ts'
import { GenericCapability } from './generic.ts'

/** Contains itself, so its values are told by hand. */
export interface ExtendedDataApplicationCapability extends Extensible {
  readonly dataCapability: readonly DataApplicationCapability[]
  readonly dataCapabilityExtension?: readonly GenericCapability[]
}
export const ExtendedDataApplicationCapability: Type<ExtendedDataApplicationCapability> = sequence(
  {
    dataCapability: sequenceOf(lazy(() => DataApplicationCapability)),
    dataCapabilityExtension: optional(sequenceOf(GenericCapability))
  },
  {}
)

export const T84Profile = choice({
  t84Unrestricted: nothing,
  t84Restricted: sequence(
    {
      qcif: boolean,
      cif: boolean,
      ccir601Seq: boolean,
      ccir601Prog: boolean,
      hdtvSeq: boolean,
      hdtvProg: boolean,
      g3FacsMH200x100: boolean,
      g3FacsMH200x200: boolean,
      g4FacsMMR200x100: boolean,
      g4FacsMMR200x200: boolean,
      jbig200x200Seq: boolean,
      jbig200x200Prog: boolean,
      jbig300x300Seq: boolean,
      jbig300x300Prog: boolean,
      digPhotoLow: boolean,
      digPhotoMedSeq: boolean,
      digPhotoMedProg: boolean,
      digPhotoHighSeq: boolean,
      digPhotoHighProg: boolean
    },
    {}
  )
})
export type T84Profile = Infer<typeof T84Profile>

export const T38FaxRateManagement = choice(
  {
    localTCF: nothing,
    transferredTCF: nothing
  },
  {}
)
export type T38FaxRateManagement = Infer<typeof T38FaxRateManagement>

export const T38FaxUdpOptions = sequence({
  t38FaxMaxBuffer: optional(anyInteger),
  t38FaxMaxDatagram: optional(anyInteger),
  t38FaxUdpEC: choice(
    {
      t38UDPFEC: nothing,
      t38UDPRedundancy: nothing
    },
    {}
  )
})
export type T38FaxUdpOptions = Infer<typeof T38FaxUdpOptions>

export const T38FaxTcpOptions = sequence(
  {
    t38TCPBidirectionalMode: boolean
  },
  {}
)
export type T38FaxTcpOptions = Infer<typeof T38FaxTcpOptions>

export const T38FaxProfile = sequence(
  {
    fillBitRemoval: boolean,
    transcodingJBIG: boolean,
    transcodingMMR: boolean
  },
  {
    version: integer(0, 255),
    t38FaxRateManagement: T38FaxRateManagement,
    t38FaxUdpOptions: T38FaxUdpOptions,
    t38FaxTcpOptions: T38FaxTcpOptions
  }
)
export type T38FaxProfile = Infer<typeof T38FaxProfile>

export const DataChannelProfile = sequence(
  {
    ordered: optional(boolean),
    priority: optional(integer(0, 65_535)),
    reliabilityParm: optional(
      choice(
        {
          maxRetr: integer(0, 4_294_967_295),
          maxTime: integer(0, 4_294_967_295)
        },
        {}
      )
    ),
    label: optional(ia5String({ size: [1, 65_535] })),
    protocol: optional(ia5String({ size: [1, 65_535] })),
    genericInformation: optional(sequenceOf(GenericInformation)),
    establishmentType: choice(
      {
        sctpStreamID: integer(0, 65_535),
        dcep: nothing
      },
      {}
    )
  },
  {}
)
export type DataChannelProfile = Infer<typeof DataChannelProfile>

export const DataChannel = sequence(
  {
    dataChannelProfile: optional(sequenceOf(DataChannelProfile))
  },
  {}
)
export type DataChannel = Infer<typeof DataChannel>

export const DataApplicationCapability = sequence(
  {
    application: choice(
      {
        nonStandard: NonStandardParameter,
        t120: DataProtocolCapability,
        'dsm-cc': DataProtocolCapability,
        userData: DataProtocolCapability,
        t84: sequence({
          t84Protocol: DataProtocolCapability,
          t84Profile: T84Profile
        }),
        t434: DataProtocolCapability,
        h224: DataProtocolCapability,
        nlpid: sequence({
          nlpidProtocol: DataProtocolCapability,
          nlpidData: octetString()
        }),
        dsvdControl: nothing,
        h222DataPartitioning: DataProtocolCapability
      },
      {
        t30fax: DataProtocolCapability,
        t140: DataProtocolCapability,
        t38fax: sequence({
          t38FaxProtocol: DataProtocolCapability,
          t38FaxProfile: T38FaxProfile
        }),
        genericDataCapability: GenericCapability,
        dataChannel: sequenceOf(DataChannel),
        extendedDataApplicationCapability: ExtendedDataApplicationCapability
      }
    ),
    maxBitRate: integer(0, 4_294_967_295)
  },
  {}
)
export type DataApplicationCapability = Infer<typeof DataApplicationCapability>
