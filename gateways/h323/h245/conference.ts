/** H.245 v17: requests, responses, commands and indications of conferences. */
import {
  choice,
  type Infer,
  integer,
  nothing,
  objectIdentifier,
  octetString,
  optional,
  sequence,
  sequenceOf,
  setOf
} from '../asn1/asn1.ts'
import { LogicalChannelNumber, McuNumber, TerminalLabel, TerminalNumber } from './identifiers.ts'

export const Criteria = sequence(
  {
    field: objectIdentifier,
    value: octetString([1, 65_535])
  },
  {}
)
export type Criteria = Infer<typeof Criteria>

export const CertSelectionCriteria = sequenceOf(Criteria, [1, 16])
export type CertSelectionCriteria = Infer<typeof CertSelectionCriteria>

export const RemoteMCRequest = choice(
  {
    masterActivate: nothing,
    slaveActivate: nothing,
    deActivate: nothing
  },
  {}
)
export type RemoteMCRequest = Infer<typeof RemoteMCRequest>

export const ConferenceRequest = choice(
  {
    terminalListRequest: nothing,
    makeMeChair: nothing,
    cancelMakeMeChair: nothing,
    dropTerminal: TerminalLabel,
    requestTerminalID: TerminalLabel,
    enterH243Password: nothing,
    enterH243TerminalID: nothing,
    enterH243ConferenceID: nothing
  },
  {
    enterExtensionAddress: nothing,
    requestChairTokenOwner: nothing,
    requestTerminalCertificate: sequence(
      {
        terminalLabel: optional(TerminalLabel),
        certSelectionCriteria: optional(CertSelectionCriteria),
        sRandom: optional(integer(1, 4_294_967_295))
      },
      {}
    ),
    broadcastMyLogicalChannel: LogicalChannelNumber,
    makeTerminalBroadcaster: TerminalLabel,
    sendThisSource: TerminalLabel,
    requestAllTerminalIDs: nothing,
    remoteMCRequest: RemoteMCRequest
  }
)
export type ConferenceRequest = Infer<typeof ConferenceRequest>

export const TerminalID = octetString([1, 128])
export type TerminalID = Infer<typeof TerminalID>

export const ConferenceID = octetString([1, 32])
export type ConferenceID = Infer<typeof ConferenceID>

export const Password = octetString([1, 32])
export type Password = Infer<typeof Password>

export const TerminalInformation = sequence(
  {
    terminalLabel: TerminalLabel,
    terminalID: TerminalID
  },
  {}
)
export type TerminalInformation = Infer<typeof TerminalInformation>

export const RequestAllTerminalIDsResponse = sequence(
  {
    terminalInformation: sequenceOf(TerminalInformation)
  },
  {}
)
export type RequestAllTerminalIDsResponse = Infer<typeof RequestAllTerminalIDsResponse>

export const RemoteMCResponse = choice(
  {
    accept: nothing,
    reject: choice(
      {
        unspecified: nothing,
        functionNotSupported: nothing
      },
      {}
    )
  },
  {}
)
export type RemoteMCResponse = Infer<typeof RemoteMCResponse>

export const ConferenceResponse = choice(
  {
    mCTerminalIDResponse: sequence(
      {
        terminalLabel: TerminalLabel,
        terminalID: TerminalID
      },
      {}
    ),
    terminalIDResponse: sequence(
      {
        terminalLabel: TerminalLabel,
        terminalID: TerminalID
      },
      {}
    ),
    conferenceIDResponse: sequence(
      {
        terminalLabel: TerminalLabel,
        conferenceID: ConferenceID
      },
      {}
    ),
    passwordResponse: sequence(
      {
        terminalLabel: TerminalLabel,
        password: Password
      },
      {}
    ),
    terminalListResponse: setOf(TerminalLabel, [1, 256]),
    videoCommandReject: nothing,
    terminalDropReject: nothing,
    makeMeChairResponse: choice(
      {
        grantedChairToken: nothing,
        deniedChairToken: nothing
      },
      {}
    )
  },
  {
    extensionAddressResponse: sequence(
      {
        extensionAddress: TerminalID
      },
      {}
    ),
    chairTokenOwnerResponse: sequence(
      {
        terminalLabel: TerminalLabel,
        terminalID: TerminalID
      },
      {}
    ),
    terminalCertificateResponse: sequence(
      {
        terminalLabel: optional(TerminalLabel),
        certificateResponse: optional(octetString([1, 65_535]))
      },
      {}
    ),
    broadcastMyLogicalChannelResponse: choice(
      {
        grantedBroadcastMyLogicalChannel: nothing,
        deniedBroadcastMyLogicalChannel: nothing
      },
      {}
    ),
    makeTerminalBroadcasterResponse: choice(
      {
        grantedMakeTerminalBroadcaster: nothing,
        deniedMakeTerminalBroadcaster: nothing
      },
      {}
    ),
    sendThisSourceResponse: choice(
      {
        grantedSendThisSource: nothing,
        deniedSendThisSource: nothing
      },
      {}
    ),
    requestAllTerminalIDsResponse: RequestAllTerminalIDsResponse,
    remoteMCResponse: RemoteMCResponse
  }
)
export type ConferenceResponse = Infer<typeof ConferenceResponse>

export const SubstituteConferenceIDCommand = sequence(
  {
    conferenceIdentifier: octetString(16)
  },
  {}
)
export type SubstituteConferenceIDCommand = Infer<typeof SubstituteConferenceIDCommand>

export const ConferenceCommand = choice(
  {
    broadcastMyLogicalChannel: LogicalChannelNumber,
    cancelBroadcastMyLogicalChannel: LogicalChannelNumber,
    makeTerminalBroadcaster: TerminalLabel,
    cancelMakeTerminalBroadcaster: nothing,
    sendThisSource: TerminalLabel,
    cancelSendThisSource: nothing,
    dropConference: nothing
  },
  {
    substituteConferenceIDCommand: SubstituteConferenceIDCommand
  }
)
export type ConferenceCommand = Infer<typeof ConferenceCommand>

export const TerminalYouAreSeeingInSubPictureNumber = sequence(
  {
    terminalNumber: TerminalNumber,
    subPictureNumber: integer(0, 255)
  },
  {
    mcuNumber: McuNumber
  }
)
export type TerminalYouAreSeeingInSubPictureNumber = Infer<typeof TerminalYouAreSeeingInSubPictureNumber>

export const VideoIndicateCompose = sequence(
  {
    compositionNumber: integer(0, 255)
  },
  {}
)
export type VideoIndicateCompose = Infer<typeof VideoIndicateCompose>

export const ConferenceIndication = choice(
  {
    sbeNumber: integer(0, 9),
    terminalNumberAssign: TerminalLabel,
    terminalJoinedConference: TerminalLabel,
    terminalLeftConference: TerminalLabel,
    seenByAtLeastOneOther: nothing,
    cancelSeenByAtLeastOneOther: nothing,
    seenByAll: nothing,
    cancelSeenByAll: nothing,
    terminalYouAreSeeing: TerminalLabel,
    requestForFloor: nothing
  },
  {
    withdrawChairToken: nothing,
    floorRequested: TerminalLabel,
    terminalYouAreSeeingInSubPictureNumber: TerminalYouAreSeeingInSubPictureNumber,
    videoIndicateCompose: VideoIndicateCompose,
    masterMCU: nothing,
    cancelMasterMCU: nothing
  }
)
export type ConferenceIndication = Infer<typeof ConferenceIndication>
