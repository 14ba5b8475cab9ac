/** Bounds on every dimension of a received message. All sizes in octets. */
export interface MessageLimits {
  readonly startLine: number
  readonly headerCount: number
  /** One header field, its folded continuations included. */
  readonly headerLine: number
  /** Start line and header fields together, up to and with the empty line. */
  readonly headerSection: number
  readonly body: number
}

export const defaultMessageLimits: MessageLimits = {
  startLine: 4096,
  headerCount: 256,
  headerLine: 16_384,
  headerSection: 65_536,
  body: 1_048_576
}
