/** H.450.7: message waiting indication. */
import {
  boolean,
  choice,
  enumerated,
  type Infer,
  integer,
  numericString,
  optional,
  sequence,
  sequenceOf,
  visibleString
} from '../asn1/asn1.ts'
import { EndpointAddress } from './addressing.ts'
import { MixedExtension } from './extension.ts'

export const MsgCentreId = choice({
  integer: integer(0, 65_535),
  partyNumber: EndpointAddress,
  numericString: numericString({ size: [1, 10] })
})
export type MsgCentreId = Infer<typeof MsgCentreId>

export const NbOfMessages = integer(0, 65_535)
export type NbOfMessages = Infer<typeof NbOfMessages>

export const TimeStamp = visibleString({ size: [12, 19] })
export type TimeStamp = Infer<typeof TimeStamp>

/** All items of the Recommendation's list; its shorter form in some copies is a bit field of another width. */
export const MWIBasicService = enumerated([
  'allServices',
  'speech',
  'unrestrictedDigitalInformation',
  'audio3100Hz',
  'telephony',
  'teletex',
  'telefaxGroup4Class1',
  'videotexSyntaxBased',
  'videotelephony',
  'telefaxGroup2-3',
  'reservedNotUsed1',
  'reservedNotUsed2',
  'reservedNotUsed3',
  'reservedNotUsed4',
  'reservedNotUsed5',
  'email',
  'video',
  'fileTransfer',
  'shortMessageService',
  'speechAndVideo',
  'speechAndFax',
  'speechAndEmail',
  'videoAndFax',
  'videoAndEmail',
  'faxAndEmail',
  'speechVideoAndFax',
  'speechVideoAndEmail',
  'speechFaxAndEmail',
  'videoFaxAndEmail',
  'speechVideoFaxAndEmail',
  'multimediaUnknown',
  'serviceUnknown',
  'futureReserve1',
  'futureReserve2',
  'futureReserve3',
  'futureReserve4',
  'futureReserve5',
  'futureReserve6',
  'futureReserve7',
  'futureReserve8'
])
export type MWIBasicService = Infer<typeof MWIBasicService>

export const MWIActivateArg = sequence(
  {
    servedUserNr: EndpointAddress,
    basicService: MWIBasicService,
    msgCentreId: optional(MsgCentreId),
    nbOfMessages: optional(NbOfMessages),
    originatingNr: optional(EndpointAddress),
    timestamp: optional(TimeStamp),
    priority: optional(integer(0, 9)),
    extensionArg: optional(sequenceOf(MixedExtension, [0, 255]))
  },
  {}
)
export type MWIActivateArg = Infer<typeof MWIActivateArg>

export const MWIDummyRes = sequenceOf(MixedExtension, [0, 255])
export type MWIDummyRes = Infer<typeof MWIDummyRes>

export const MWIDeactivateArg = sequence(
  {
    servedUserNr: EndpointAddress,
    basicService: MWIBasicService,
    msgCentreId: optional(MsgCentreId),
    callbackReq: optional(boolean),
    extensionArg: optional(sequenceOf(MixedExtension, [0, 255]))
  },
  {}
)
export type MWIDeactivateArg = Infer<typeof MWIDeactivateArg>

export const MWIInterrogateArg = sequence(
  {
    servedUserNr: EndpointAddress,
    basicService: MWIBasicService,
    msgCentreId: optional(MsgCentreId),
    callbackReq: optional(boolean),
    extensionArg: optional(sequenceOf(MixedExtension, [0, 255]))
  },
  {}
)
export type MWIInterrogateArg = Infer<typeof MWIInterrogateArg>

export const MWIInterrogateResElt = sequence(
  {
    basicService: MWIBasicService,
    msgCentreId: optional(MsgCentreId),
    nbOfMessages: optional(NbOfMessages),
    originatingNr: optional(EndpointAddress),
    timestamp: optional(TimeStamp),
    priority: optional(integer(0, 9)),
    extensionArg: optional(sequenceOf(MixedExtension, [0, 255]))
  },
  {}
)
export type MWIInterrogateResElt = Infer<typeof MWIInterrogateResElt>

export const MWIInterrogateRes = sequenceOf(MWIInterrogateResElt, [1, 64])
export type MWIInterrogateRes = Infer<typeof MWIInterrogateRes>
