/** The codec as others may use it. Everything takes and gives plain values; nothing here keeps state, logs, or opens a socket. */
export { formatAddress, type NameAddress, parseAddress, parseAddressList, tagOf } from './address.ts'
export { type Contact, parseContacts } from './contact.ts'
export { type CSeq, formatCSeq, formatRAck, parseCSeq, parseRAck, parseRSeq, type RAck } from './cseq.ts'
export {
  type AuthScheme,
  type DigestChallenge,
  type DigestCredentials,
  digestChallenge,
  digestCredentials,
  formatAuthScheme,
  parseAuthSchemes
} from './digest.ts'
export {
  type EventType,
  formatEvent,
  formatSubscriptionState,
  parseEvent,
  parseSubscriptionState,
  type SubscriptionState,
  sameEvent
} from './event.ts'
export { defaultMessageLimits, type MessageLimits } from './limits.ts'
export { formatMediaType, type MediaType, parseMediaType } from './media-type.ts'
export {
  allHeaders,
  header,
  headerLines,
  parseMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  withHeaderValue
} from './message.ts'
export {
  type BodyPart,
  boundaryOf,
  contentType,
  defaultMultipartLimits,
  joinMultipart,
  leafParts,
  type MultipartLimits,
  multipartType,
  splitMultipart
} from './multipart.ts'
export { headerKey, writtenName } from './names.ts'
export { formatReason, parseReasons, type Reason } from './reason.ts'
export { type CommonHeaders, commonHeaders, type Insanity, requestInsanity, responseInsanity } from './sanity.ts'
export { encodeRequest, encodeResponse, type HeaderLine, type OutgoingRequest, type OutgoingResponse } from './serialize.ts'
export { dialled, formatTelUri, parseTelUri, sameTelUri, type TelUri } from './tel-uri.ts'
export { formatParameters, type Parameters, parseParameters, quoted, splitList, unquoted } from './text.ts'
export { bracketed, escapedUser, formatSipUri, parseSipUri, type SipUri, unescaped, uriHeaders, userInfo } from './uri.ts'
export { sameSipUri } from './uri-comparison.ts'
export { firstVia, formatVia, parseVia, receivedAddress, type Via } from './via.ts'
