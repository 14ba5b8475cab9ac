import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createAuthority, issueCertificate } from '#kamailio'
import type { Suite } from '#suite'

export const dayMs = 86_400_000

/** A certificate of the suite's own authority for `expert-safety` that ran out a day ago, and its key: PEM. */
export async function expiredCertificate(suite: Suite): Promise<{ readonly certificate: string; readonly key: string }> {
  const authority = await createAuthority(dirname(suite.data.ca))
  const expired = await issueCertificate(authority, {
    name: 'expired',
    commonName: 'expert-safety',
    usage: 'client',
    notBefore: new Date(Date.now() - 10 * dayMs),
    notAfter: new Date(Date.now() - dayMs)
  })
  return { certificate: await readFile(expired.certificate, 'utf8'), key: await readFile(expired.key, 'utf8') }
}
