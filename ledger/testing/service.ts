import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { type Ledger, ledgerFiles } from '#ledger'
import { type LedgerService, type LedgerServiceConfig, startLedgerService } from '../service/service.ts'
import { addToken, type Role } from '../service/tokens.ts'

export interface TestService extends LedgerService {
  /** A GET, or a POST where there is a body; with the token of a role. */
  readonly ask: (path: string, role?: Role | null, more?: RequestInit) => Promise<Response>
  readonly tokens: Readonly<Record<Role, string>>
  readonly tokensPath: string
}

/** A service over a ledger, with a token of each role. */
export async function openTestService(
  t: ExecutionContext,
  ledger: Ledger & { readonly dir: string },
  more: Partial<LedgerServiceConfig> = {}
): Promise<TestService> {
  const { published, policy, vkey } = ledgerFiles(ledger.dir)
  const tokensPath = join(ledger.dir, 'tokens.json')
  const tokens = {
    producer: addToken(tokensPath, 'producer', 'producer', 0).token,
    auditor: addToken(tokensPath, 'auditor', 'auditor', 0).token,
    escalator: addToken(tokensPath, 'escalator', 'escalator', 0).token,
    admin: addToken(tokensPath, 'admin', 'admin', 0).token
  }
  const service = await startLedgerService({
    reader: ledger.reader,
    append: ledger.append,
    publishedPath: published,
    policyPath: policy,
    vkeyPath: vkey,
    tokensPath,
    log: silentLog,
    ...more
  })
  t.teardown(() => service.close())
  return {
    ...service,
    tokens,
    tokensPath,
    ask: (path, role = 'auditor', init = {}) =>
      fetch(service.url + path, {
        ...init,
        headers: { ...(role === null ? {} : { authorization: `Bearer ${tokens[role]}` }), ...init.headers }
      })
  }
}
