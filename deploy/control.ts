/** How commands on this machine reach a running suite: a file that only its owner may read, with the address of the service and a token. */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { writePrivateFile } from './data/files.ts'

/** A token of 256 bits, good for as long as the suite runs. */
export const newControlToken = (): string => `ifc_${randomBytes(32).toString('base64url')}`

/** What the file holds. */
export interface ControlFile {
  readonly url: string
  readonly token: string
  /** PEM file of the certificate that the service shows; null without TLS. */
  readonly certificate: string | null
}

export const writeControl = (file: string, control: ControlFile): Promise<void> =>
  writePrivateFile(file, `${JSON.stringify(control)}\n`)

export const removeControl = (file: string): Promise<void> => rm(file, { force: true })
