/** H.323 in TypeScript: ASN.1 PER and the messages of H.225.0, Q.931, H.245, H.235, H.450 and H.460. */
export * as asn1 from './asn1/asn1.ts'
export * as decoder from './decoder/decoder.ts'
export * as h225 from './h225/h225.ts'
export * as h235 from './h235/h235.ts'
export * as h245 from './h245/h245.ts'
export * as h450 from './h450/h450.ts'
export * as q931 from './q931/q931.ts'
