import { DecodeError } from '#kernel'

/** Identifiers of the information elements of H.225.0 call signalling. @see Q.931 table 4-3, H.225.0 §7.2.2 */
export const ie = {
  bearerCapability: 0x04,
  cause: 0x08,
  callState: 0x14,
  facility: 0x1c,
  progressIndicator: 0x1e,
  notificationIndicator: 0x27,
  display: 0x28,
  dateTime: 0x29,
  keypadFacility: 0x2c,
  signal: 0x34,
  connectedNumber: 0x4c,
  callingPartyNumber: 0x6c,
  callingPartySubaddress: 0x6d,
  calledPartyNumber: 0x70,
  calledPartySubaddress: 0x71,
  redirectingNumber: 0x74,
  userUser: 0x7e,
  /** One octet, its whole meaning. */
  sendingComplete: 0xa1
} as const

/** Encoding and decoding of the contents of one element. */
export interface ElementCodec<T> {
  /** @throws {DecodeError} `h323.q931.element` */
  decode(octets: Uint8Array): T
  encode(value: T): Buffer
}

function need(octets: Uint8Array, count: number, name: string): void {
  if (octets.length >= count) return
  throw new DecodeError('h323.q931.element', `${octets.length} octets, at least ${count} needed`, {
    path: `Q931.${name}`,
    bitOffset: octets.length * 8
  })
}

/** Bit 8 of an octet: set when no octet of the same group follows. */
const last = 0x80
const isLast = (octet: number): boolean => octet >= last

export interface BearerCapability {
  /** 0 is ITU-T. */
  readonly codingStandard: number
  /** 0 speech, 8 unrestricted digital, 16 3.1 kHz audio, 24 video. */
  readonly transferCapability: number
  /** 0 circuit, 2 packet. */
  readonly transferMode: number
  /** 16 is 64 kbit/s, 24 multirate. */
  readonly transferRate: number
  /** Times 64 kbit/s; with multirate only. */
  readonly rateMultiplier?: number
  /** 2 G.711 µ-law, 3 G.711 A-law, 5 H.221 and H.242. */
  readonly layer1Protocol?: number
}

const multirate = 24

/** @see Q.931 §4.5.5, H.225.0 §7.2.2.1 */
export const bearerCapability: ElementCodec<BearerCapability> = {
  decode(octets) {
    need(octets, 2, 'bearerCapability')
    const transferRate = octets[1]! & 0x1f
    let at = 2
    let rateMultiplier: number | undefined
    if (transferRate === multirate) {
      need(octets, 3, 'bearerCapability')
      rateMultiplier = octets[at++]! & 0x7f
    }
    const layer1 = octets[at]
    return {
      codingStandard: (octets[0]! >> 5) & 3,
      transferCapability: octets[0]! & 0x1f,
      transferMode: (octets[1]! >> 5) & 3,
      transferRate,
      ...(rateMultiplier === undefined ? {} : { rateMultiplier }),
      ...(layer1 !== undefined && ((layer1 >> 5) & 3) === 1 ? { layer1Protocol: layer1 & 0x1f } : {})
    }
  },
  encode({ codingStandard, transferCapability, transferMode, transferRate, rateMultiplier, layer1Protocol }) {
    const octets = [last | (codingStandard << 5) | transferCapability]
    // Bit 8 of octet 4 is 0 where octet 4.1 follows.
    octets.push((rateMultiplier === undefined ? last : 0) | (transferMode << 5) | transferRate)
    if (rateMultiplier !== undefined) octets.push(last | rateMultiplier)
    if (layer1Protocol !== undefined) octets.push(last | (1 << 5) | layer1Protocol)
    return Buffer.from(octets)
  }
}

export interface Cause {
  readonly codingStandard: number
  /** 0 user, 1 private network serving the local user, … @see Q.850 table 1 */
  readonly location: number
  readonly recommendation?: number
  /** 1–127. @see Q.850 §2.2.7 */
  readonly value: number
  readonly diagnostics: Uint8Array
}

/** @see Q.850 §2.1 */
export const cause: ElementCodec<Cause> = {
  decode(octets) {
    need(octets, 2, 'cause')
    const hasRecommendation = !isLast(octets[0]!)
    const at = hasRecommendation ? 2 : 1
    need(octets, at + 1, 'cause')
    return {
      codingStandard: (octets[0]! >> 5) & 3,
      location: octets[0]! & 0x0f,
      ...(hasRecommendation ? { recommendation: octets[1]! & 0x7f } : {}),
      value: octets[at]! & 0x7f,
      diagnostics: octets.subarray(at + 1)
    }
  },
  encode({ codingStandard, location, recommendation, value, diagnostics }) {
    const head = (codingStandard << 5) | location
    const front = recommendation === undefined ? [last | head] : [head, last | recommendation]
    return Buffer.from([...front, last | value, ...diagnostics])
  }
}

/** A cause of the ITU-T set, from the user's own equipment. */
export const userCause = (value: number): Cause => ({ codingStandard: 0, location: 0, value, diagnostics: Buffer.alloc(0) })

export interface ProgressIndicator {
  readonly codingStandard: number
  readonly location: number
  /** 1 not end-to-end ISDN, 2 destination not ISDN, 3 origin not ISDN, 8 in-band information. */
  readonly description: number
}

/** @see Q.931 §4.5.23 */
export const progressIndicator: ElementCodec<ProgressIndicator> = {
  decode(octets) {
    need(octets, 2, 'progressIndicator')
    return { codingStandard: (octets[0]! >> 5) & 3, location: octets[0]! & 0x0f, description: octets[1]! & 0x7f }
  },
  encode: ({ codingStandard, location, description }) =>
    Buffer.from([last | (codingStandard << 5) | location, last | description])
}

export interface PartyNumber {
  /** 0 unknown, 1 international, 2 national, 4 subscriber. */
  readonly typeOfNumber: number
  /** 0 unknown, 1 E.164, 9 private. */
  readonly numberingPlan: number
  /** 0 allowed, 1 restricted, 2 not available; absent in a called number, and where the sender leaves it out. */
  readonly presentation?: number
  /** 0 user-provided, not screened; 1 verified and passed; 2 verified and failed; 3 network-provided. */
  readonly screening?: number
  /** Reason of a redirection; 0 unknown, 1 busy, 2 no reply, 15 unconditional. */
  readonly reason?: number
  readonly digits: string
}

/** Called, calling, connected and redirecting number have one form; what may follow octet 3 differs. @see Q.931 §4.5.8, §4.5.10, §4.6.7 */
export const partyNumber: ElementCodec<PartyNumber> = {
  decode(octets) {
    need(octets, 1, 'partyNumber')
    let at = 0
    const group = [octets[at]!]
    while (!isLast(octets[at]!)) {
      need(octets, ++at + 1, 'partyNumber')
      if (group.length < 3) group.push(octets[at]!)
    }
    const [head, indicators, reason] = group
    return {
      typeOfNumber: (head! >> 4) & 7,
      numberingPlan: head! & 0x0f,
      ...(indicators === undefined ? {} : { presentation: (indicators >> 5) & 3, screening: indicators & 3 }),
      ...(reason === undefined ? {} : { reason: reason & 0x0f }),
      digits: Buffer.from(octets.subarray(at + 1)).toString('latin1')
    }
  },
  encode({ typeOfNumber, numberingPlan, presentation, screening, reason, digits }) {
    const group = [(typeOfNumber << 4) | numberingPlan]
    if (presentation !== undefined || screening !== undefined || reason !== undefined) {
      group.push(((presentation ?? 0) << 5) | (screening ?? 0))
    }
    if (reason !== undefined) group.push(reason)
    group[group.length - 1]! |= last
    return Buffer.concat([Buffer.from(group), Buffer.from(digits, 'latin1')])
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Text of a display or keypad element. Some peers end it with NUL, and some send UTF-8 where the standard has IA5; what is neither is taken as
 * ISO 8859-1.
 *
 * @see Q.931 §4.5.16
 */
export const text: ElementCodec<string> = {
  decode(octets) {
    const end = octets.at(-1) === 0 ? octets.length - 1 : octets.length
    const characters = octets.subarray(0, end)
    try {
      return strictUtf8.decode(characters)
    } catch {
      return Buffer.from(characters).toString('latin1')
    }
  },
  encode: (value) => Buffer.from(value, 'utf8')
}

/** One octet: signal (Q.931 §4.5.28), call state (§4.5.7) and notification indicator (§4.5.22). */
export const octet: ElementCodec<number> = {
  decode(octets) {
    need(octets, 1, 'octet')
    return octets[0]!
  },
  encode: (value) => Buffer.from([value])
}

/** Values of the signal element. */
export const signals = {
  dialTone: 0x00,
  ringBack: 0x01,
  intercept: 0x02,
  networkCongestion: 0x03,
  busy: 0x04,
  confirm: 0x05,
  answer: 0x06,
  callWaiting: 0x07,
  offHookWarning: 0x08,
  preemption: 0x09,
  tonesOff: 0x3f,
  alertingOff: 0x4f
} as const
