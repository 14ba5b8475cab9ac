/** H.245 v17: encryption and authentication of media. */
import { choice, type Infer, ia5String, objectIdentifier, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { GenericCapability } from './capability/generic.ts'
import { NonStandardParameter } from './identifiers.ts'

export const DTLSSecurityCapability = sequence(
  {
    hashFunction: sequenceOf(ia5String({ size: [1, 65_535] })),
    setupInformation: optional(ia5String({ size: [1, 65_535] })),
    connectionInformation: optional(ia5String({ size: [1, 65_535] })),
    fingerprint: optional(ia5String({ size: [1, 65_535] }))
  },
  {}
)
export type DTLSSecurityCapability = Infer<typeof DTLSSecurityCapability>

export const MediaEncryptionAlgorithm = choice(
  {
    nonStandard: NonStandardParameter,
    algorithm: objectIdentifier
  },
  {}
)
export type MediaEncryptionAlgorithm = Infer<typeof MediaEncryptionAlgorithm>

export const EncryptionCapability = sequenceOf(MediaEncryptionAlgorithm, [1, 256])
export type EncryptionCapability = Infer<typeof EncryptionCapability>

export const AuthenticationCapability = sequence(
  {
    nonStandard: optional(NonStandardParameter)
  },
  {
    antiSpamAlgorithm: objectIdentifier
  }
)
export type AuthenticationCapability = Infer<typeof AuthenticationCapability>

export const IntegrityCapability = sequence(
  {
    nonStandard: optional(NonStandardParameter)
  },
  {}
)
export type IntegrityCapability = Infer<typeof IntegrityCapability>

export const EncryptionAuthenticationAndIntegrity = sequence(
  {
    encryptionCapability: optional(EncryptionCapability),
    authenticationCapability: optional(AuthenticationCapability),
    integrityCapability: optional(IntegrityCapability)
  },
  {
    genericH235SecurityCapability: GenericCapability,
    dtlsSecurityCapability: DTLSSecurityCapability
  }
)
export type EncryptionAuthenticationAndIntegrity = Infer<typeof EncryptionAuthenticationAndIntegrity>
