import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Clock } from '../clock.ts'
import { errorCode, InfraFabricError } from '../errors.ts'
import type { Log } from '../log.ts'
import { fileVersion } from './files.ts'

/** PEM files of a TLS server. Whoever renews them may do so while it runs. */
export interface TlsFiles {
  /** The certificate, and those that lead to its authority. */
  readonly certificate: string
  readonly key: string
}

/** What stands in them. */
export interface TlsPair {
  readonly cert: Buffer
  readonly key: Buffer
}

/**
 * Reads certificate and key.
 *
 * @param nowMs wall clock, milliseconds since 1970
 * @throws {InfraFabricError} `tls.files.unreadable`; `tls.files.mismatch` when the key is of another certificate; `tls.files.expired`
 */
export function readTlsFiles({ certificate, key }: TlsFiles, nowMs: number): TlsPair {
  let pair: TlsPair
  let read: X509Certificate
  let fits: boolean
  try {
    pair = { cert: readFileSync(certificate), key: readFileSync(key) }
    read = new X509Certificate(pair.cert)
    fits = read.checkPrivateKey(createPrivateKey(pair.key))
  } catch (error) {
    throw new InfraFabricError('tls.files.unreadable', `${certificate} and ${key} cannot be read (${errorCode(error)})`, {
      cause: error
    })
  }
  if (!fits) throw new InfraFabricError('tls.files.mismatch', `the key in ${key} is not that of ${certificate}`)
  if (read.validToDate.getTime() <= nowMs) throw new InfraFabricError('tls.files.expired', `${certificate} has expired`)
  return pair
}

const lookMs = 1000
/** Certificate and key are two files, replaced one after the other: what does not fit together yet is looked at again. */
const looksBeforeRefusal = 3

/**
 * Follows the files of a server that runs. What cannot be used leaves the pair before it in force, and is told of once.
 *
 * @param renew puts the new pair in force
 * @param refused told why a new pair is not taken, or could not be put in force
 * @returns how to stop; nothing is put in force after that
 */
export function followTlsFiles(
  files: TlsFiles,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  renew: (pair: TlsPair) => void | Promise<void>,
  refused: (error: unknown) => void = (error) =>
    log.warn(
      { code: errorCode(error), certificate: files.certificate },
      'new certificate not taken: the one before stays in force'
    )
): () => void {
  const versions = (): string => `${fileVersion(files.certificate)}, ${fileVersion(files.key)}`
  let known = versions()
  let failures = 0
  let stopped = false
  let cancel = (): void => undefined
  const look = async (): Promise<void> => {
    let now = known
    try {
      now = versions()
      if (now !== known) {
        await renew(readTlsFiles(files, clock.now()))
        known = now
        failures = 0
        log.info({ certificate: files.certificate }, 'new certificate in force')
      }
    } catch (error) {
      if (++failures >= looksBeforeRefusal) {
        known = now
        failures = 0
        refused(error)
      }
    }
    if (!stopped) cancel = clock.after(lookMs, () => void look())
  }
  cancel = clock.after(lookMs, () => void look())
  return () => {
    stopped = true
    cancel()
  }
}
