/** H.235.0: tokens that carry keys, challenges, hashes and signatures. */
import {
  anyInteger,
  bitString,
  bmpString,
  boolean,
  choice,
  type Infer,
  integer,
  nothing,
  objectIdentifier,
  octetString,
  openType,
  optional,
  sequence,
  sequenceOf
} from '../asn1/asn1.ts'
import { encrypted, hashed, Params, signed } from './parameterised.ts'

export const ChallengeString = octetString([8, 128])
export type ChallengeString = Infer<typeof ChallengeString>

export const TimeStamp = integer(1, 4_294_967_295)
export type TimeStamp = Infer<typeof TimeStamp>

export const RandomVal = anyInteger
export type RandomVal = Infer<typeof RandomVal>

export const Password = bmpString({ size: [1, 128] })
export type Password = Infer<typeof Password>

export const Identifier = bmpString({ size: [1, 128] })
export type Identifier = Infer<typeof Identifier>

export const KeyMaterial = bitString([1, 2048])
export type KeyMaterial = Infer<typeof KeyMaterial>

export const KeyMaterialExt = bitString([2049, 65_536])
export type KeyMaterialExt = Infer<typeof KeyMaterialExt>

export const NonStandardParameter = sequence({
  nonStandardIdentifier: objectIdentifier,
  data: octetString()
})
export type NonStandardParameter = Infer<typeof NonStandardParameter>

export const DHset = sequence(
  {
    halfkey: bitString([0, 2048]),
    modSize: bitString([0, 2048]),
    generator: bitString([0, 2048])
  },
  {}
)
export type DHset = Infer<typeof DHset>

export const DHsetExt = sequence(
  {
    halfkey: bitString([2049, 65_536]),
    modSize: optional(bitString([2049, 65_536])),
    generator: optional(bitString([2049, 65_536]))
  },
  {}
)
export type DHsetExt = Infer<typeof DHsetExt>

export const ECpoint = sequence(
  {
    x: optional(bitString([0, 511])),
    y: optional(bitString([0, 511]))
  },
  {}
)
export type ECpoint = Infer<typeof ECpoint>

export const ECKASDH = choice(
  {
    eckasdhp: sequence({
      'public-key': ECpoint,
      modulus: bitString([0, 511]),
      base: ECpoint,
      weierstrassA: bitString([0, 511]),
      weierstrassB: bitString([0, 511])
    }),
    eckasdh2: sequence({
      'public-key': ECpoint,
      fieldSize: bitString([0, 511]),
      base: ECpoint,
      weierstrassA: bitString([0, 511]),
      weierstrassB: bitString([0, 511])
    })
  },
  {}
)
export type ECKASDH = Infer<typeof ECKASDH>

export const ECGDSASignature = sequence({
  r: bitString([0, 511]),
  s: bitString([0, 511])
})
export type ECGDSASignature = Infer<typeof ECGDSASignature>

export const TypedCertificate = sequence(
  {
    type: objectIdentifier,
    certificate: octetString()
  },
  {}
)
export type TypedCertificate = Infer<typeof TypedCertificate>

export const AuthenticationBES = choice(
  {
    default: nothing,
    radius: nothing
  },
  {}
)
export type AuthenticationBES = Infer<typeof AuthenticationBES>

export const AuthenticationMechanism = choice(
  {
    dhExch: nothing,
    pwdSymEnc: nothing,
    pwdHash: nothing,
    certSign: nothing,
    ipsec: nothing,
    tls: nothing,
    nonStandard: NonStandardParameter
  },
  {
    authenticationBES: AuthenticationBES,
    keyExch: objectIdentifier
  }
)
export type AuthenticationMechanism = Infer<typeof AuthenticationMechanism>

export const Element = choice(
  {
    octets: octetString(),
    integer: anyInteger,
    bits: bitString(),
    name: bmpString(),
    flag: boolean
  },
  {}
)
export type Element = Infer<typeof Element>

export const ProfileElement = sequence(
  {
    elementID: integer(0, 255),
    paramS: optional(Params),
    element: optional(Element)
  },
  {}
)
export type ProfileElement = Infer<typeof ProfileElement>

export const KeySyncMaterial = sequence(
  {
    generalID: Identifier,
    keyMaterial: KeyMaterial
  },
  {}
)
export type KeySyncMaterial = Infer<typeof KeySyncMaterial>

export const EncodedKeySyncMaterial = openType(KeySyncMaterial)
export type EncodedKeySyncMaterial = Infer<typeof EncodedKeySyncMaterial>

export const KeySignedMaterial = sequence({
  generalId: Identifier,
  mrandom: RandomVal,
  srandom: optional(RandomVal),
  timeStamp: optional(TimeStamp),
  encrptval: encrypted(EncodedKeySyncMaterial)
})
export type KeySignedMaterial = Infer<typeof KeySignedMaterial>

export const EncodedKeySignedMaterial = openType(KeySignedMaterial)
export type EncodedKeySignedMaterial = Infer<typeof EncodedKeySignedMaterial>

export const V3KeySyncMaterial = sequence(
  {
    generalID: optional(Identifier),
    algorithmOID: optional(objectIdentifier),
    paramS: Params,
    encryptedSessionKey: optional(octetString()),
    encryptedSaltingKey: optional(octetString()),
    clearSaltingKey: optional(octetString()),
    paramSsalt: optional(Params),
    keyDerivationOID: optional(objectIdentifier)
  },
  {
    genericKeyMaterial: octetString()
  }
)
export type V3KeySyncMaterial = Infer<typeof V3KeySyncMaterial>

export const H235Key = choice(
  {
    secureChannel: KeyMaterial,
    sharedSecret: encrypted(EncodedKeySyncMaterial),
    certProtectedKey: signed(EncodedKeySignedMaterial)
  },
  {
    secureSharedSecret: V3KeySyncMaterial,
    secureChannelExt: KeyMaterialExt
  }
)
export type H235Key = Infer<typeof H235Key>

export const ClearToken = sequence(
  {
    tokenOID: objectIdentifier,
    timeStamp: optional(TimeStamp),
    password: optional(Password),
    dhkey: optional(DHset),
    challenge: optional(ChallengeString),
    random: optional(RandomVal),
    certificate: optional(TypedCertificate),
    generalID: optional(Identifier),
    nonStandard: optional(NonStandardParameter)
  },
  {
    eckasdhkey: ECKASDH,
    sendersID: Identifier,
    h235Key: H235Key,
    profileInfo: sequenceOf(ProfileElement),
    dhkeyext: DHsetExt
  }
)
export type ClearToken = Infer<typeof ClearToken>

export const EncodedGeneralToken = openType(ClearToken)
export type EncodedGeneralToken = Infer<typeof EncodedGeneralToken>

export const PwdCertToken = ClearToken
export type PwdCertToken = Infer<typeof PwdCertToken>

export const EncodedPwdCertToken = openType(PwdCertToken)
export type EncodedPwdCertToken = Infer<typeof EncodedPwdCertToken>

export const CryptoToken = choice(
  {
    cryptoEncryptedToken: sequence({
      tokenOID: objectIdentifier,
      token: encrypted(EncodedGeneralToken)
    }),
    cryptoSignedToken: sequence({
      tokenOID: objectIdentifier,
      token: signed(EncodedGeneralToken)
    }),
    cryptoHashedToken: sequence({
      tokenOID: objectIdentifier,
      hashedVals: ClearToken,
      token: hashed(EncodedGeneralToken)
    }),
    cryptoPwdEncr: encrypted(EncodedPwdCertToken)
  },
  {}
)
export type CryptoToken = Infer<typeof CryptoToken>

export const ReturnSig = sequence({
  generalId: Identifier,
  responseRandom: RandomVal,
  requestRandom: optional(RandomVal),
  certificate: optional(TypedCertificate)
})
export type ReturnSig = Infer<typeof ReturnSig>

export const EncodedReturnSig = openType(ReturnSig)
export type EncodedReturnSig = Infer<typeof EncodedReturnSig>

export const H235CertificateSignature = sequence(
  {
    certificate: TypedCertificate,
    responseRandom: RandomVal,
    requesterRandom: optional(RandomVal),
    signature: signed(EncodedReturnSig)
  },
  {}
)
export type H235CertificateSignature = Infer<typeof H235CertificateSignature>
