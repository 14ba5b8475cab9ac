import { DecodeError, InfraFabricError } from '#kernel'

/**
 * What goes wrong inside a codec, on its way out: every sequence, choice and list that it passes puts its own name in front of the path.
 * No stack is kept, so that garbage from the network costs little; {@link decodeErrorOf} and {@link encodeErrorOf} make the errors callers see.
 */
export class PerFailure {
  readonly code: string
  readonly reason: string
  readonly bitOffset: number
  /** Innermost name first. */
  readonly segments: string[] = []

  constructor(code: string, reason: string, bitOffset: number) {
    this.code = code
    this.reason = reason
    this.bitOffset = bitOffset
  }
}

/** Adds a name to the path of a failure; other errors pass unchanged. */
export function within(error: unknown, segment: string): unknown {
  if (error instanceof PerFailure) error.segments.push(segment)
  return error
}

/** A value that its type cannot carry. `path` names the field; the message says what was expected. */
export class EncodeError extends InfraFabricError {
  readonly path: string

  constructor(code: string, message: string, path: string, options?: ErrorOptions) {
    super(code, `${path}: ${message}`, options)
    this.path = path
  }
}

/** `RasMessage.registrationRequest.callSignalAddress[2].ipAddress.port` */
function pathOf(root: string, failure: PerFailure): string {
  return failure.segments.reduceRight((path, segment) => (segment.startsWith('[') ? path + segment : `${path}.${segment}`), root)
}

export function decodeErrorOf(root: string, error: unknown): unknown {
  if (!(error instanceof PerFailure)) return error
  return new DecodeError(error.code, error.reason, { path: pathOf(root, error), bitOffset: error.bitOffset })
}

export function encodeErrorOf(root: string, error: unknown): unknown {
  if (!(error instanceof PerFailure)) return error
  return new EncodeError(error.code, error.reason, pathOf(root, error))
}
