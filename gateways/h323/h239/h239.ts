/** H.239: role management and additional media channels, in generic capabilities and messages of H.245. */
import type { Capability } from '../h245/capability/exchange.ts'
import type { VideoCapability } from '../h245/capability/video.ts'
import type { GenericMessage, GenericParameter } from '../h245/generic.ts'
import type { MultimediaSystemControlMessage } from '../h245/message.ts'

/** @see H.239 §7–§11 */
export const h239Oids = {
  controlCapability: '0.0.8.239.1.1',
  extendedVideoCapability: '0.0.8.239.1.2',
  message: '0.0.8.239.2'
} as const

/** Values of roleLabel in an extended video capability. @see H.239 table 9 */
export const roles = { presentation: 1, live: 2 } as const

const subMessages = {
  flowControlReleaseRequest: 1,
  flowControlReleaseResponse: 2,
  presentationTokenRequest: 3,
  presentationTokenResponse: 4,
  presentationTokenRelease: 5,
  presentationTokenIndicateOwner: 6
} as const

const parameters = { bitRate: 41, channelId: 42, symmetryBreaking: 43, terminalLabel: 44, acknowledge: 126, reject: 127 } as const

/** A message of H.239. Channels are logical channel numbers; the label is that of the terminal with the MC, 0 without one. */
export type PresentationMessage =
  | { readonly type: 'flowControlReleaseRequest'; readonly channelId: number; readonly bitRate: number }
  | { readonly type: 'flowControlReleaseResponse'; readonly channelId: number; readonly accepted: boolean }
  | {
      readonly type: 'presentationTokenRequest'
      readonly terminalLabel: number
      readonly channelId: number
      /** 1–127; the higher of two that meet wins, drawn anew where they are the same. */
      readonly symmetryBreaking: number
    }
  | {
      readonly type: 'presentationTokenResponse'
      readonly terminalLabel: number
      readonly channelId: number
      readonly accepted: boolean
    }
  | { readonly type: 'presentationTokenRelease'; readonly terminalLabel: number; readonly channelId: number }
  | { readonly type: 'presentationTokenIndicateOwner'; readonly terminalLabel: number; readonly channelId: number }

const kinds = {
  flowControlReleaseRequest: 'request',
  flowControlReleaseResponse: 'response',
  presentationTokenRequest: 'request',
  presentationTokenResponse: 'response',
  presentationTokenRelease: 'command',
  presentationTokenIndicateOwner: 'indication'
} as const

const number = (name: keyof typeof parameters, value: number): GenericParameter => ({
  parameterIdentifier: { type: 'standard', value: parameters[name] },
  parameterValue: { type: 'unsignedMin', value }
})

const flag = (name: keyof typeof parameters): GenericParameter => ({
  parameterIdentifier: { type: 'standard', value: parameters[name] },
  parameterValue: { type: 'logical' }
})

/** A message of H.239 as the H.245 message that carries it. */
export function presentationMessage(message: PresentationMessage): MultimediaSystemControlMessage {
  const content: GenericParameter[] = []
  if (message.type === 'flowControlReleaseRequest') content.push(number('bitRate', message.bitRate))
  if ('terminalLabel' in message) content.push(number('terminalLabel', message.terminalLabel))
  content.push(number('channelId', message.channelId))
  if ('symmetryBreaking' in message) content.push(number('symmetryBreaking', message.symmetryBreaking))
  if ('accepted' in message) content.push(flag(message.accepted ? 'acknowledge' : 'reject'))
  const generic: GenericMessage = {
    messageIdentifier: { type: 'standard', value: h239Oids.message },
    subMessageIdentifier: subMessages[message.type],
    messageContent: content
  }
  switch (kinds[message.type]) {
    case 'request':
      return { type: 'request', value: { type: 'genericRequest', value: generic } }
    case 'response':
      return { type: 'response', value: { type: 'genericResponse', value: generic } }
    case 'command':
      return { type: 'command', value: { type: 'genericCommand', value: generic } }
    case 'indication':
      return { type: 'indication', value: { type: 'genericIndication', value: generic } }
  }
}

/** The H.239 message in a generic message of H.245; undefined for anything else, and for one with parts missing. */
export function presentationMessageOf(generic: GenericMessage): PresentationMessage | undefined {
  const { messageIdentifier, subMessageIdentifier, messageContent = [] } = generic
  if (messageIdentifier.type !== 'standard' || messageIdentifier.value !== h239Oids.message) return undefined
  const find = (name: keyof typeof parameters) =>
    messageContent.find(({ parameterIdentifier: id }) => id.type === 'standard' && id.value === parameters[name])?.parameterValue
  const read = (name: keyof typeof parameters): number | undefined => {
    const value = find(name)
    return value !== undefined && 'value' in value && typeof value.value === 'number' ? value.value : undefined
  }
  const channelId = read('channelId')
  const terminalLabel = read('terminalLabel')
  if (channelId === undefined) return undefined
  const accepted = find('acknowledge') !== undefined
  switch (subMessageIdentifier) {
    case subMessages.flowControlReleaseRequest: {
      const bitRate = read('bitRate')
      return bitRate === undefined ? undefined : { type: 'flowControlReleaseRequest', channelId, bitRate }
    }
    case subMessages.flowControlReleaseResponse:
      return { type: 'flowControlReleaseResponse', channelId, accepted }
  }
  if (terminalLabel === undefined) return undefined
  switch (subMessageIdentifier) {
    case subMessages.presentationTokenRequest: {
      const symmetryBreaking = read('symmetryBreaking')
      return symmetryBreaking === undefined
        ? undefined
        : { type: 'presentationTokenRequest', terminalLabel, channelId, symmetryBreaking }
    }
    case subMessages.presentationTokenResponse:
      return { type: 'presentationTokenResponse', terminalLabel, channelId, accepted }
    case subMessages.presentationTokenRelease:
      return { type: 'presentationTokenRelease', terminalLabel, channelId }
    case subMessages.presentationTokenIndicateOwner:
      return { type: 'presentationTokenIndicateOwner', terminalLabel, channelId }
    default:
      return undefined
  }
}

/** The capability that says H.239 is spoken. */
export const controlCapability: Capability = {
  type: 'genericControlCapability',
  value: { capabilityIdentifier: { type: 'standard', value: h239Oids.controlCapability } }
}

export const isControlCapability = (capability: Capability): boolean =>
  capability.type === 'genericControlCapability' &&
  capability.value.capabilityIdentifier.type === 'standard' &&
  capability.value.capabilityIdentifier.value === h239Oids.controlCapability

const roleLabel = 1

/** A video capability for a second stream in one of the given roles. @param role sum of {@link roles} */
export const extendedVideo = (videoCapability: readonly VideoCapability[], role: number): VideoCapability => ({
  type: 'extendedVideoCapability',
  value: {
    videoCapability,
    videoCapabilityExtension: [
      {
        capabilityIdentifier: { type: 'standard', value: h239Oids.extendedVideoCapability },
        nonCollapsing: [
          { parameterIdentifier: { type: 'standard', value: roleLabel }, parameterValue: { type: 'booleanArray', value: role } }
        ]
      }
    ]
  }
})

/** Roles of an extended video capability, a sum of {@link roles}; undefined for any other. */
export function rolesOf(capability: VideoCapability): number | undefined {
  if (capability.type !== 'extendedVideoCapability') return undefined
  for (const { capabilityIdentifier, nonCollapsing } of capability.value.videoCapabilityExtension ?? []) {
    if (capabilityIdentifier.type !== 'standard' || capabilityIdentifier.value !== h239Oids.extendedVideoCapability) continue
    const label = nonCollapsing?.find(({ parameterIdentifier: id }) => id.type === 'standard' && id.value === roleLabel)
    if (label?.parameterValue.type === 'booleanArray') return label.parameterValue.value
  }
  return undefined
}
