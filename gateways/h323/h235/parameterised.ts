/** H.235.0: what is signed, encrypted or hashed, with the algorithm and its parameters. */
import { anyInteger, bitString, type Infer, objectIdentifier, octetString, optional, sequence, type Type } from '../asn1/asn1.ts'

const IV8 = octetString(8)
const IV16 = octetString(16)

export const Params = sequence(
  {
    ranInt: optional(anyInteger),
    iv8: optional(IV8)
  },
  {
    iv16: IV16,
    iv: octetString(),
    clearSalt: octetString()
  }
)
export type Params = Infer<typeof Params>

/** SIGNED { }: the signature is over the octets of `toBeSigned`. */
export const signed = (toBeSigned: Type<Uint8Array>) =>
  sequence({
    toBeSigned,
    algorithmOID: objectIdentifier,
    paramS: Params,
    signature: bitString()
  })

const Encrypted = sequence({
  algorithmOID: objectIdentifier,
  paramS: Params,
  encryptedData: octetString()
})

const Hashed = sequence({
  algorithmOID: objectIdentifier,
  paramS: Params,
  hash: bitString()
})

/** ENCRYPTED { }: an encoding of the content type becomes `encryptedData`. */
export const encrypted = (_content: Type<Uint8Array>): typeof Encrypted => Encrypted

/** HASHED { }: the hash is over an encoding of the content type, or over a whole message. */
export const hashed = (_content: Type<Uint8Array>): typeof Hashed => Hashed
