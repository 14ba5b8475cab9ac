import { type Logger, pino } from 'pino'

export type Log = Logger

/** Keys whose values never reach a log line, at the top of the object and one level down. */
const redactedKeys = [
  'authorization',
  'proxyAuthorization',
  'password',
  'secret',
  'ha1',
  'response',
  'signature',
  'token',
  'sdp',
  'body',
  'crypto',
  'privateKey'
]

/**
 * A logger that writes one JSON object a line to `destination` (stderr by default: stdout belongs to data).
 * Credentials, digest responses, SDP and keys are replaced with `[redacted]` where they appear under their usual names.
 */
export function createLog(options: { name: string; level?: string; destination?: NodeJS.WritableStream }): Log {
  return pino(
    {
      name: options.name,
      level: options.level ?? 'info',
      redact: { paths: redactedKeys.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' }
    },
    options.destination ?? process.stderr
  )
}

/** A logger that says nothing: for tests and for tools that report in their own way. */
export const silentLog: Log = pino({ level: 'silent' })
