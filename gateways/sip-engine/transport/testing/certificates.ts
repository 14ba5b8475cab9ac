/** Certificates for tests: an authority and what it signs, made by openssl in a directory that is gone before they are used. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestCertificate {
  readonly key: Buffer
  readonly cert: Buffer
}

export interface TestAuthority extends TestCertificate {
  /** @param names alternative names as openssl writes them: `DNS:a.example,URI:sip:b.example,IP:127.0.0.1`. */
  readonly issue: (commonName: string, names: string) => TestCertificate
}

export function createAuthority(commonName = 'Test Authority'): TestAuthority {
  const authority = inFolder((folder) => {
    run(folder, [...selfSigned, '-subj', `/CN=${commonName}`, '-keyout', 'key.pem', '-out', 'cert.pem'])
    return read(folder)
  })
  return {
    ...authority,
    issue: (name, names) =>
      inFolder((folder) => {
        writeFileSync(join(folder, 'ca.pem'), Buffer.concat([authority.cert, authority.key]))
        writeFileSync(join(folder, 'extensions'), `subjectAltName=${names}\n`)
        run(folder, ['req', ...newKey, '-subj', `/CN=${name}`, '-keyout', 'key.pem', '-out', 'request.pem'])
        const sign = ['x509', '-req', '-in', 'request.pem', '-CA', 'ca.pem', '-CAkey', 'ca.pem', '-days', '2', '-out', 'cert.pem']
        run(folder, [...sign, '-extfile', 'extensions'])
        return read(folder)
      })
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const selfSigned = ['req', '-x509', ...newKey, '-days', '2']

function run(folder: string, parameters: readonly string[]): void {
  execFileSync('openssl', parameters, { cwd: folder, stdio: 'ignore' })
}

function read(folder: string): TestCertificate {
  return { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) }
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'sip-engine-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
