/** H.225.0 v8 §7.6: security capabilities, integrity checks and tokens. */
import { bitString, choice, type Infer, nothing, objectIdentifier, openType, optional, sequence } from '../asn1/asn1.ts'
import { encrypted, hashed, signed } from '../h235/parameterised.ts'
import { ClearToken, CryptoToken, EncodedPwdCertToken, TimeStamp } from '../h235/tokens.ts'
import { AliasAddress } from './addresses.ts'
import { GatekeeperIdentifier, NonStandardParameter } from './identifiers.ts'

export const SecurityServiceMode = choice(
  {
    nonStandard: NonStandardParameter,
    none: nothing,
    default: nothing
  },
  {}
)
export type SecurityServiceMode = Infer<typeof SecurityServiceMode>

export const SecurityCapabilities = sequence(
  {
    nonStandard: optional(NonStandardParameter),
    encryption: SecurityServiceMode,
    authenticaton: SecurityServiceMode,
    integrity: SecurityServiceMode
  },
  {}
)
export type SecurityCapabilities = Infer<typeof SecurityCapabilities>

export const H245Security = choice(
  {
    nonStandard: NonStandardParameter,
    noSecurity: nothing,
    tls: SecurityCapabilities,
    ipsec: SecurityCapabilities
  },
  {}
)
export type H245Security = Infer<typeof H245Security>

export const EncryptIntAlg = choice(
  {
    nonStandard: NonStandardParameter,
    isoAlgorithm: objectIdentifier
  },
  {}
)
export type EncryptIntAlg = Infer<typeof EncryptIntAlg>

export const NonIsoIntegrityMechanism = choice(
  {
    'hMAC-MD5': nothing,
    'hMAC-iso10118-2-s': EncryptIntAlg,
    'hMAC-iso10118-2-l': EncryptIntAlg,
    'hMAC-iso10118-3': objectIdentifier
  },
  {}
)
export type NonIsoIntegrityMechanism = Infer<typeof NonIsoIntegrityMechanism>

export const IntegrityMechanism = choice(
  {
    nonStandard: NonStandardParameter,
    digSig: nothing,
    iso9797: objectIdentifier,
    nonIsoIM: NonIsoIntegrityMechanism
  },
  {}
)
export type IntegrityMechanism = Infer<typeof IntegrityMechanism>

export const ICV = sequence({
  algorithmOID: objectIdentifier,
  icv: bitString()
})
export type ICV = Infer<typeof ICV>

export const FastStartToken = ClearToken
export type FastStartToken = Infer<typeof FastStartToken>

export const EncodedFastStartToken = openType(FastStartToken)
export type EncodedFastStartToken = Infer<typeof EncodedFastStartToken>

export const CryptoH323Token = choice(
  {
    cryptoEPPwdHash: sequence({
      alias: AliasAddress,
      timeStamp: TimeStamp,
      token: hashed(EncodedPwdCertToken)
    }),
    cryptoGKPwdHash: sequence({
      gatekeeperId: GatekeeperIdentifier,
      timeStamp: TimeStamp,
      token: hashed(EncodedPwdCertToken)
    }),
    cryptoEPPwdEncr: encrypted(EncodedPwdCertToken),
    cryptoGKPwdEncr: encrypted(EncodedPwdCertToken),
    cryptoEPCert: signed(EncodedPwdCertToken),
    cryptoGKCert: signed(EncodedPwdCertToken),
    cryptoFastStart: signed(EncodedFastStartToken),
    nestedcryptoToken: CryptoToken
  },
  {}
)
export type CryptoH323Token = Infer<typeof CryptoH323Token>
