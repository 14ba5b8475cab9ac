/** H.450.1: what manufacturers add to supplementary services. */
import { choice, type Infer, objectIdentifier, openType, sequence, sequenceOf } from '../asn1/asn1.ts'
import { NonStandardParameter } from '../h225/identifiers.ts'

export const Extension = sequence({
  extensionId: objectIdentifier,
  extensionArgument: openType()
})
export type Extension = Infer<typeof Extension>

export const ExtensionSeq = sequenceOf(Extension)
export type ExtensionSeq = Infer<typeof ExtensionSeq>

/** The form H.450.2 and H.450.3 use, for extensions and for arguments without content of their own. */
export const ArgumentExtension = choice({
  extensionSeq: ExtensionSeq,
  nonStandardData: NonStandardParameter
})
export type ArgumentExtension = Infer<typeof ArgumentExtension>

/** The form H.450.4 and later use. */
export const MixedExtension = choice({
  extension: Extension,
  nonStandardData: NonStandardParameter
})
export type MixedExtension = Infer<typeof MixedExtension>
