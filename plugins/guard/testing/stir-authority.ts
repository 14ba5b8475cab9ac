/** Certificates of numbers, and a server that hands them out: made with openssl for one test file, in a folder that goes with it. */
import { execFileSync } from 'node:child_process'
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { encodeTnAuthList, type TnAuthList } from '../stir/tn-auth-list.ts'

export interface Issued {
  readonly pem: string
  readonly key: KeyObject
  /** Paths of the files. */
  readonly certificate: string
  readonly keyFile: string
}

export interface StirAuthority {
  /** Self-signed unless `issuer` is given; `extensions` as openssl takes them. */
  readonly issue: (
    name: string,
    options?: { issuer?: Issued; extensions?: readonly string[]; curve?: string; days?: number }
  ) => Issued
  /** A certificate for numbers. */
  readonly forNumbers: (name: string, issuer: Issued, list: Partial<TnAuthList>, curve?: string) => Issued
  readonly remove: () => void
}

export function openStirAuthority(): StirAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'stir-'))
  const issue: StirAuthority['issue'] = (name, { issuer, extensions = [], curve = 'P-256', days = 30 } = {}) => {
    const [certificate, keyFile] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)]
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-new', '-sha256', '-nodes', '-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`],
        ...['-keyout', keyFile, '-out', certificate, '-days', String(days), '-subj', `/CN=${name}`, '-config', '/dev/null'],
        ...(issuer === undefined ? [] : ['-CA', issuer.certificate, '-CAkey', issuer.keyFile]),
        ...extensions.flatMap((extension) => ['-addext', extension])
      ].filter((argument) => argument !== ''),
      { stdio: ['ignore', 'ignore', 'pipe'] }
    )
    return { pem: readFileSync(certificate, 'utf8'), key: createPrivateKey(readFileSync(keyFile)), certificate, keyFile }
  }
  return {
    issue,
    forNumbers: (name, issuer, list, curve) =>
      issue(name, {
        issuer,
        ...(curve === undefined ? {} : { curve }),
        extensions: [
          'basicConstraints=critical,CA:FALSE',
          'keyUsage=critical,digitalSignature',
          `1.3.6.1.5.5.7.1.26=DER:${encodeTnAuthList({ providers: [], ranges: [], numbers: [], ...list }).toString('hex')}`
        ]
      }),
    remove: () => rmSync(folder, { recursive: true })
  }
}

/** An HTTPS server on loopback. */
export async function serveHttps(
  identity: Issued,
  listener: RequestListener
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer({ cert: identity.pem, key: readFileSync(identity.keyFile) }, listener)
  const sockets = new Set<Duplex>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    }
  }
}
