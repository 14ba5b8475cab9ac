/** H.225.0 v8 §7.6: what was wrong with the security of a message. */
import { choice, type Infer, nothing } from '../asn1/asn1.ts'

export const SecurityErrors = choice(
  {
    securityWrongSyncTime: nothing,
    securityReplay: nothing,
    securityWrongGeneralID: nothing,
    securityWrongSendersID: nothing,
    securityIntegrityFailed: nothing,
    securityWrongOID: nothing,
    securityDHmismatch: nothing,
    securityCertificateExpired: nothing,
    securityCertificateDateInvalid: nothing,
    securityCertificateRevoked: nothing,
    securityCertificateNotReadable: nothing,
    securityCertificateSignatureInvalid: nothing,
    securityCertificateMissing: nothing,
    securityCertificateIncomplete: nothing,
    securityUnsupportedCertificateAlgOID: nothing,
    securityUnknownCA: nothing
  },
  {}
)
export type SecurityErrors = Infer<typeof SecurityErrors>

export const SecurityErrors2 = choice(
  {
    securityWrongSyncTime: nothing,
    securityReplay: nothing,
    securityWrongGeneralID: nothing,
    securityWrongSendersID: nothing,
    securityIntegrityFailed: nothing,
    securityWrongOID: nothing
  },
  {}
)
export type SecurityErrors2 = Infer<typeof SecurityErrors2>
