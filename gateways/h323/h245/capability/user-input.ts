/** H.245 v17: user input capabilities. */
import { choice, type Infer, nothing, sequenceOf } from '../../asn1/asn1.ts'
import { NonStandardParameter } from '../identifiers.ts'
import { GenericCapability } from './generic.ts'

export const UserInputCapability = choice(
  {
    nonStandard: sequenceOf(NonStandardParameter, [1, 16]),
    basicString: nothing,
    iA5String: nothing,
    generalString: nothing,
    dtmf: nothing,
    hookflash: nothing
  },
  {
    extendedAlphanumeric: nothing,
    encryptedBasicString: nothing,
    encryptedIA5String: nothing,
    encryptedGeneralString: nothing,
    secureDTMF: nothing,
    genericUserInputCapability: GenericCapability
  }
)
export type UserInputCapability = Infer<typeof UserInputCapability>
