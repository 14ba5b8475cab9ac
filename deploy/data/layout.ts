import { randomBytes } from 'node:crypto'
import { constants, copyFile, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { errorCode, makeFolder } from '#kernel'
import type { SuiteConfig } from '../settings/settings.ts'
import { writePrivateFile } from './files.ts'

/** Where the suite keeps what it keeps. All paths are absolute. */
export interface DataLayout {
  readonly folder: string
  /** Expert registry, YAML. */
  readonly registry: string
  /** Rules of IF.guard; null for those of the suite. */
  readonly rules: string | null
  /** Every rule file that was in force, by its hash: receipts in the ledger name them. */
  readonly policies: string
  /** Digest credentials, JSON, mode 0600. */
  readonly credentials: string
  /** Development CA and the certificates it issued. */
  readonly authority: string
  readonly certificate: string
  readonly certificateKey: string
  /** CA of client certificates. */
  readonly ca: string
  /** Ledger, its key and its checkpoints. */
  readonly ledger: string
  /** Entries that wait for the ledger. */
  readonly spool: string
  /** What the edge is rendered into; made anew at every start. */
  readonly edge: string
  /** Its port toward application servers, kept for the next start. */
  readonly edgePort: string
  /** UDP port of the application's SIP server, kept for the next start. */
  readonly sipPort: string
  /** Secret between application and SIP server, mode 0600. */
  readonly adminSecret: string
  /** Who may register with the gatekeeper, YAML, mode 0600. */
  readonly h323Accounts: string
  /** Registrations of H.323 endpoints. */
  readonly h323Registrations: string
  /** Where commands on this machine reach the running suite, mode 0600; gone when it ends. */
  readonly control: string
  /** Key that signs calls out, mode 0600. */
  readonly escalationKey: string
  /** Files that were shared in calls. */
  readonly evidence: string
  /** Recordings, and the key that signs their exports. */
  readonly recordings: string
  /** Names the process that works on this folder. */
  readonly lock: string
}

/** The layout for a configuration. Pure. */
export function layoutOf(config: SuiteConfig): DataLayout {
  const folder = resolve(config.data)
  const authority = join(folder, 'certificates')
  return {
    folder,
    registry: resolve(config.registry ?? join(folder, 'registry.yaml')),
    rules: config.guard.rules === null ? null : resolve(config.guard.rules),
    policies: join(folder, 'policies'),
    credentials: join(folder, 'credentials.json'),
    authority,
    certificate: resolve(config.certificates?.certificate ?? join(authority, 'server.pem')),
    certificateKey: resolve(config.certificates?.key ?? join(authority, 'server.key')),
    ca: resolve(config.certificates?.ca ?? join(authority, 'ca.pem')),
    ledger: join(folder, 'ledger'),
    spool: resolve(config.spool ?? join(folder, 'spool')),
    edge: join(folder, 'edge'),
    edgePort: join(folder, 'edge.port'),
    sipPort: join(folder, 'sip.port'),
    adminSecret: join(folder, 'admin.secret'),
    h323Accounts: resolve(config.h323.accounts ?? join(folder, 'h323-accounts.yaml')),
    h323Registrations: join(folder, 'h323.db'),
    control: join(folder, 'control.json'),
    escalationKey: resolve(config.escalation.key ?? join(folder, 'escalation.pem')),
    evidence: join(folder, 'evidence'),
    recordings: resolve(config.recording.folder ?? join(folder, 'recordings')),
    lock: join(folder, 'suite.lock')
  }
}

/** Copies `source` to `target` unless something is there. @returns whether it did. */
export async function copyIfAbsent(source: string, target: string): Promise<boolean> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** The secret in a private file; a new one of 192 bits when there is none. */
export async function ensureSecret(file: string): Promise<string> {
  try {
    const secret = (await readFile(file, 'utf8')).trim()
    if (secret !== '') return secret
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  const secret = randomBytes(24).toString('base64url')
  await writePrivateFile(file, `${secret}\n`)
  return secret
}

/** Makes the folders of a layout. Only the owner may look into them. */
export async function makeFolders(layout: DataLayout): Promise<void> {
  for (const folder of [layout.folder, layout.authority, layout.ledger, layout.spool, layout.edge]) makeFolder(folder)
}
