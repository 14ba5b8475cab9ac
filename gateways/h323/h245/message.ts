/** H.245 v17: the message and its four kinds. */
import { choice, type Infer } from '../asn1/asn1.ts'
import {
  TerminalCapabilitySet,
  TerminalCapabilitySetAck,
  TerminalCapabilitySetReject,
  TerminalCapabilitySetRelease
} from './capability/exchange.ts'
import {
  LogicalChannelRateAcknowledge,
  LogicalChannelRateReject,
  LogicalChannelRateRelease,
  LogicalChannelRateRequest
} from './channel-rate.ts'
import {
  EncryptionCommand,
  EndSessionCommand,
  FlowControlCommand,
  H223MultiplexReconfiguration,
  MiscellaneousCommand,
  MobileMultilinkReconfigurationCommand,
  NewATMVCCommand,
  SendTerminalCapabilitySet
} from './commands.ts'
import { CommunicationModeCommand, CommunicationModeRequest, CommunicationModeResponse } from './communication-mode.ts'
import { ConferenceCommand, ConferenceIndication, ConferenceRequest, ConferenceResponse } from './conference.ts'
import { GenericMessage } from './generic.ts'
import { NonStandardMessage } from './identifiers.ts'
import {
  FlowControlIndication,
  FunctionNotSupported,
  H223SkewIndication,
  H2250MaximumSkewIndication,
  JitterIndication,
  MCLocationIndication,
  MiscellaneousIndication,
  MobileMultilinkReconfigurationIndication,
  NewATMVCIndication,
  VendorIdentification
} from './indications.ts'
import {
  CloseLogicalChannel,
  CloseLogicalChannelAck,
  OpenLogicalChannel,
  OpenLogicalChannelAck,
  OpenLogicalChannelConfirm,
  OpenLogicalChannelReject,
  RequestChannelClose,
  RequestChannelCloseAck,
  RequestChannelCloseReject,
  RequestChannelCloseRelease
} from './logical-channel.ts'
import {
  MaintenanceLoopAck,
  MaintenanceLoopOffCommand,
  MaintenanceLoopReject,
  MaintenanceLoopRequest
} from './maintenance-loop.ts'
import {
  MasterSlaveDetermination,
  MasterSlaveDeterminationAck,
  MasterSlaveDeterminationReject,
  MasterSlaveDeterminationRelease
} from './master-slave.ts'
import { RequestMode, RequestModeAck, RequestModeReject, RequestModeRelease } from './mode-request.ts'
import { MultilinkIndication, MultilinkRequest, MultilinkResponse } from './multilink.ts'
import {
  MultiplexEntrySend,
  MultiplexEntrySendAck,
  MultiplexEntrySendReject,
  MultiplexEntrySendRelease,
  RequestMultiplexEntry,
  RequestMultiplexEntryAck,
  RequestMultiplexEntryReject,
  RequestMultiplexEntryRelease
} from './multiplex-table.ts'
import { RoundTripDelayRequest, RoundTripDelayResponse } from './round-trip.ts'
import { UserInputIndication } from './user-input.ts'

export const RequestMessage = choice(
  {
    nonStandard: NonStandardMessage,
    masterSlaveDetermination: MasterSlaveDetermination,
    terminalCapabilitySet: TerminalCapabilitySet,
    openLogicalChannel: OpenLogicalChannel,
    closeLogicalChannel: CloseLogicalChannel,
    requestChannelClose: RequestChannelClose,
    multiplexEntrySend: MultiplexEntrySend,
    requestMultiplexEntry: RequestMultiplexEntry,
    requestMode: RequestMode,
    roundTripDelayRequest: RoundTripDelayRequest,
    maintenanceLoopRequest: MaintenanceLoopRequest
  },
  {
    communicationModeRequest: CommunicationModeRequest,
    conferenceRequest: ConferenceRequest,
    multilinkRequest: MultilinkRequest,
    logicalChannelRateRequest: LogicalChannelRateRequest,
    genericRequest: GenericMessage
  }
)
export type RequestMessage = Infer<typeof RequestMessage>

export const ResponseMessage = choice(
  {
    nonStandard: NonStandardMessage,
    masterSlaveDeterminationAck: MasterSlaveDeterminationAck,
    masterSlaveDeterminationReject: MasterSlaveDeterminationReject,
    terminalCapabilitySetAck: TerminalCapabilitySetAck,
    terminalCapabilitySetReject: TerminalCapabilitySetReject,
    openLogicalChannelAck: OpenLogicalChannelAck,
    openLogicalChannelReject: OpenLogicalChannelReject,
    closeLogicalChannelAck: CloseLogicalChannelAck,
    requestChannelCloseAck: RequestChannelCloseAck,
    requestChannelCloseReject: RequestChannelCloseReject,
    multiplexEntrySendAck: MultiplexEntrySendAck,
    multiplexEntrySendReject: MultiplexEntrySendReject,
    requestMultiplexEntryAck: RequestMultiplexEntryAck,
    requestMultiplexEntryReject: RequestMultiplexEntryReject,
    requestModeAck: RequestModeAck,
    requestModeReject: RequestModeReject,
    roundTripDelayResponse: RoundTripDelayResponse,
    maintenanceLoopAck: MaintenanceLoopAck,
    maintenanceLoopReject: MaintenanceLoopReject
  },
  {
    communicationModeResponse: CommunicationModeResponse,
    conferenceResponse: ConferenceResponse,
    multilinkResponse: MultilinkResponse,
    logicalChannelRateAcknowledge: LogicalChannelRateAcknowledge,
    logicalChannelRateReject: LogicalChannelRateReject,
    genericResponse: GenericMessage
  }
)
export type ResponseMessage = Infer<typeof ResponseMessage>

export const CommandMessage = choice(
  {
    nonStandard: NonStandardMessage,
    maintenanceLoopOffCommand: MaintenanceLoopOffCommand,
    sendTerminalCapabilitySet: SendTerminalCapabilitySet,
    encryptionCommand: EncryptionCommand,
    flowControlCommand: FlowControlCommand,
    endSessionCommand: EndSessionCommand,
    miscellaneousCommand: MiscellaneousCommand
  },
  {
    communicationModeCommand: CommunicationModeCommand,
    conferenceCommand: ConferenceCommand,
    h223MultiplexReconfiguration: H223MultiplexReconfiguration,
    newATMVCCommand: NewATMVCCommand,
    mobileMultilinkReconfigurationCommand: MobileMultilinkReconfigurationCommand,
    genericCommand: GenericMessage
  }
)
export type CommandMessage = Infer<typeof CommandMessage>

export const FunctionNotUnderstood = choice({
  request: RequestMessage,
  response: ResponseMessage,
  command: CommandMessage
})
export type FunctionNotUnderstood = Infer<typeof FunctionNotUnderstood>

export const IndicationMessage = choice(
  {
    nonStandard: NonStandardMessage,
    functionNotUnderstood: FunctionNotUnderstood,
    masterSlaveDeterminationRelease: MasterSlaveDeterminationRelease,
    terminalCapabilitySetRelease: TerminalCapabilitySetRelease,
    openLogicalChannelConfirm: OpenLogicalChannelConfirm,
    requestChannelCloseRelease: RequestChannelCloseRelease,
    multiplexEntrySendRelease: MultiplexEntrySendRelease,
    requestMultiplexEntryRelease: RequestMultiplexEntryRelease,
    requestModeRelease: RequestModeRelease,
    miscellaneousIndication: MiscellaneousIndication,
    jitterIndication: JitterIndication,
    h223SkewIndication: H223SkewIndication,
    newATMVCIndication: NewATMVCIndication,
    userInput: UserInputIndication
  },
  {
    h2250MaximumSkewIndication: H2250MaximumSkewIndication,
    mcLocationIndication: MCLocationIndication,
    conferenceIndication: ConferenceIndication,
    vendorIdentification: VendorIdentification,
    functionNotSupported: FunctionNotSupported,
    multilinkIndication: MultilinkIndication,
    logicalChannelRateRelease: LogicalChannelRateRelease,
    flowControlIndication: FlowControlIndication,
    mobileMultilinkReconfigurationIndication: MobileMultilinkReconfigurationIndication,
    genericIndication: GenericMessage
  }
)
export type IndicationMessage = Infer<typeof IndicationMessage>

export const MultimediaSystemControlMessage = choice(
  {
    request: RequestMessage,
    response: ResponseMessage,
    command: CommandMessage,
    indication: IndicationMessage
  },
  {}
)
export type MultimediaSystemControlMessage = Infer<typeof MultimediaSystemControlMessage>
