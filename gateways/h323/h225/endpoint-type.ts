/** H.225.0 v8 §7.6: what an endpoint is and which protocols it speaks. */
import { bitString, boolean, choice, type Infer, integer, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { T38FaxProfile } from '../h245/capability/data.ts'
import { DataProtocolCapability } from '../h245/data-protocol.ts'
import { AliasAddress } from './addresses.ts'
import { BandWidth, NonStandardParameter, TunnelledProtocol, VendorIdentifier } from './identifiers.ts'

export const DataRate = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    channelRate: BandWidth,
    channelMultiplier: optional(integer(1, 256))
  },
  {}
)
export type DataRate = Infer<typeof DataRate>

export const SupportedPrefix = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    prefix: AliasAddress
  },
  {}
)
export type SupportedPrefix = Infer<typeof SupportedPrefix>

export const H310Caps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type H310Caps = Infer<typeof H310Caps>

export const H320Caps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type H320Caps = Infer<typeof H320Caps>

export const H321Caps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type H321Caps = Infer<typeof H321Caps>

export const H322Caps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type H322Caps = Infer<typeof H322Caps>

export const H323Caps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type H323Caps = Infer<typeof H323Caps>

export const H324Caps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type H324Caps = Infer<typeof H324Caps>

export const VoiceCaps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type VoiceCaps = Infer<typeof VoiceCaps>

export const T120OnlyCaps = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    dataRatesSupported: sequenceOf(DataRate),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  }
)
export type T120OnlyCaps = Infer<typeof T120OnlyCaps>

export const NonStandardProtocol = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    dataRatesSupported: optional(sequenceOf(DataRate)),
    supportedPrefixes: sequenceOf(SupportedPrefix)
  },
  {}
)
export type NonStandardProtocol = Infer<typeof NonStandardProtocol>

export const T38FaxAnnexbOnlyCaps = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    dataRatesSupported: optional(sequenceOf(DataRate)),
    supportedPrefixes: sequenceOf(SupportedPrefix),
    t38FaxProtocol: DataProtocolCapability,
    t38FaxProfile: T38FaxProfile
  },
  {}
)
export type T38FaxAnnexbOnlyCaps = Infer<typeof T38FaxAnnexbOnlyCaps>

export const SIPCaps = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    dataRatesSupported: optional(sequenceOf(DataRate)),
    supportedPrefixes: optional(sequenceOf(SupportedPrefix))
  },
  {}
)
export type SIPCaps = Infer<typeof SIPCaps>

export const SupportedProtocols = choice(
  {
    nonStandardData: NonStandardParameter,
    h310: H310Caps,
    h320: H320Caps,
    h321: H321Caps,
    h322: H322Caps,
    h323: H323Caps,
    h324: H324Caps,
    voice: VoiceCaps,
    't120-only': T120OnlyCaps
  },
  {
    nonStandardProtocol: NonStandardProtocol,
    t38FaxAnnexbOnly: T38FaxAnnexbOnlyCaps,
    sip: SIPCaps
  }
)
export type SupportedProtocols = Infer<typeof SupportedProtocols>

export const GatewayInfo = sequence(
  {
    protocol: optional(sequenceOf(SupportedProtocols)),
    nonStandardData: optional(NonStandardParameter)
  },
  {}
)
export type GatewayInfo = Infer<typeof GatewayInfo>

export const McuInfo = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {
    protocol: sequenceOf(SupportedProtocols)
  }
)
export type McuInfo = Infer<typeof McuInfo>

export const TerminalInfo = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {}
)
export type TerminalInfo = Infer<typeof TerminalInfo>

export const GatekeeperInfo = sequence(
  {
    nonStandardData: optional(NonStandardParameter)
  },
  {}
)
export type GatekeeperInfo = Infer<typeof GatekeeperInfo>

export const EndpointType = sequence(
  {
    nonStandardData: optional(NonStandardParameter),
    vendor: optional(VendorIdentifier),
    gatekeeper: optional(GatekeeperInfo),
    gateway: optional(GatewayInfo),
    mcu: optional(McuInfo),
    terminal: optional(TerminalInfo),
    mc: boolean,
    undefinedNode: boolean
  },
  {
    set: bitString(32),
    supportedTunnelledProtocols: sequenceOf(TunnelledProtocol)
  }
)
export type EndpointType = Infer<typeof EndpointType>
