/** H.245 v17: adaptation layers and multiplexed streams. */
import { boolean, choice, type Infer, integer, nothing, sequence } from '../asn1/asn1.ts'
import { H222Capability, H223Capability } from './capability/multiplex.ts'
import { NonStandardParameter } from './identifiers.ts'

export const MultiplexFormat = choice(
  {
    nonStandard: NonStandardParameter,
    h222Capability: H222Capability,
    h223Capability: H223Capability
  },
  {}
)
export type MultiplexFormat = Infer<typeof MultiplexFormat>

export const MultiplexedStreamParameter = sequence(
  {
    multiplexFormat: MultiplexFormat,
    controlOnMuxStream: boolean
  },
  {}
)
export type MultiplexedStreamParameter = Infer<typeof MultiplexedStreamParameter>

export const H223AnnexCArqParameters = sequence(
  {
    numberOfRetransmissions: choice(
      {
        finite: integer(0, 16),
        infinite: nothing
      },
      {}
    ),
    sendBufferSize: integer(0, 16_777_215)
  },
  {}
)
export type H223AnnexCArqParameters = Infer<typeof H223AnnexCArqParameters>

export const H223AL1MParameters = sequence(
  {
    transferMode: choice(
      {
        framed: nothing,
        unframed: nothing
      },
      {}
    ),
    headerFEC: choice(
      {
        'sebch16-7': nothing,
        'golay24-12': nothing
      },
      {}
    ),
    crcLength: choice(
      {
        crc4bit: nothing,
        crc12bit: nothing,
        crc20bit: nothing,
        crc28bit: nothing
      },
      {
        crc8bit: nothing,
        crc16bit: nothing,
        crc32bit: nothing,
        crcNotUsed: nothing
      }
    ),
    rcpcCodeRate: integer(8, 32),
    arqType: choice(
      {
        noArq: nothing,
        typeIArq: H223AnnexCArqParameters,
        typeIIArq: H223AnnexCArqParameters
      },
      {}
    ),
    alpduInterleaving: boolean,
    alsduSplitting: boolean
  },
  {
    rsCodeCorrection: integer(0, 127)
  }
)
export type H223AL1MParameters = Infer<typeof H223AL1MParameters>

export const H223AL2MParameters = sequence(
  {
    headerFEC: choice(
      {
        'sebch16-5': nothing,
        'golay24-12': nothing
      },
      {}
    ),
    alpduInterleaving: boolean
  },
  {}
)
export type H223AL2MParameters = Infer<typeof H223AL2MParameters>

export const H223AL3MParameters = sequence(
  {
    headerFormat: choice(
      {
        'sebch16-7': nothing,
        'golay24-12': nothing
      },
      {}
    ),
    crcLength: choice(
      {
        crc4bit: nothing,
        crc12bit: nothing,
        crc20bit: nothing,
        crc28bit: nothing
      },
      {
        crc8bit: nothing,
        crc16bit: nothing,
        crc32bit: nothing,
        crcNotUsed: nothing
      }
    ),
    rcpcCodeRate: integer(8, 32),
    arqType: choice(
      {
        noArq: nothing,
        typeIArq: H223AnnexCArqParameters,
        typeIIArq: H223AnnexCArqParameters
      },
      {}
    ),
    alpduInterleaving: boolean
  },
  {
    rsCodeCorrection: integer(0, 127)
  }
)
export type H223AL3MParameters = Infer<typeof H223AL3MParameters>
