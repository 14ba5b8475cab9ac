/** H.225.0 v8 §7.8: the RAS message. */
import { choice, type Infer, sequenceOf } from '../../asn1/asn1.ts'
import { AdmissionConfirm, AdmissionReject, AdmissionRequest } from './admission.ts'
import { BandwidthConfirm, BandwidthReject, BandwidthRequest } from './bandwidth.ts'
import { GatekeeperConfirm, GatekeeperReject, GatekeeperRequest } from './discovery.ts'
import { DisengageConfirm, DisengageReject, DisengageRequest } from './disengage.ts'
import { InfoRequest, InfoRequestAck, InfoRequestNak, InfoRequestResponse } from './information.ts'
import { LocationConfirm, LocationReject, LocationRequest } from './location.ts'
import {
  NonStandardMessage,
  RequestInProgress,
  ResourcesAvailableConfirm,
  ResourcesAvailableIndicate,
  UnknownMessageResponse
} from './other.ts'
import {
  RegistrationConfirm,
  RegistrationReject,
  RegistrationRequest,
  UnregistrationConfirm,
  UnregistrationReject,
  UnregistrationRequest
} from './registration.ts'
import { ServiceControlIndication, ServiceControlResponse } from './service-control.ts'

export const RasMessage = choice(
  {
    gatekeeperRequest: GatekeeperRequest,
    gatekeeperConfirm: GatekeeperConfirm,
    gatekeeperReject: GatekeeperReject,
    registrationRequest: RegistrationRequest,
    registrationConfirm: RegistrationConfirm,
    registrationReject: RegistrationReject,
    unregistrationRequest: UnregistrationRequest,
    unregistrationConfirm: UnregistrationConfirm,
    unregistrationReject: UnregistrationReject,
    admissionRequest: AdmissionRequest,
    admissionConfirm: AdmissionConfirm,
    admissionReject: AdmissionReject,
    bandwidthRequest: BandwidthRequest,
    bandwidthConfirm: BandwidthConfirm,
    bandwidthReject: BandwidthReject,
    disengageRequest: DisengageRequest,
    disengageConfirm: DisengageConfirm,
    disengageReject: DisengageReject,
    locationRequest: LocationRequest,
    locationConfirm: LocationConfirm,
    locationReject: LocationReject,
    infoRequest: InfoRequest,
    infoRequestResponse: InfoRequestResponse,
    nonStandardMessage: NonStandardMessage,
    unknownMessageResponse: UnknownMessageResponse
  },
  {
    requestInProgress: RequestInProgress,
    resourcesAvailableIndicate: ResourcesAvailableIndicate,
    resourcesAvailableConfirm: ResourcesAvailableConfirm,
    infoRequestAck: InfoRequestAck,
    infoRequestNak: InfoRequestNak,
    serviceControlIndication: ServiceControlIndication,
    serviceControlResponse: ServiceControlResponse,
    admissionConfirmSequence: sequenceOf(AdmissionConfirm)
  }
)
export type RasMessage = Infer<typeof RasMessage>
