/** Credentials that sandboxes have used and cannot see: grants, and their use by handle. */
import { createHash, randomUUID } from 'node:crypto'
import type { WitnessedStore } from '#store'
import { errno } from './guest/errno.ts'
import type { CredentialPort } from './run/run.ts'
import type { Grant } from './sandbox.ts'
import { allRecords, checked, existing, fail, keys, note } from './sandbox-records.ts'
import { type Services, servicePattern, useService } from './services.ts'

export interface Credentials {
  /** @throws {InfraFabricError} `chassis.service`, `chassis.grant`, `chassis.unknown` */
  readonly grant: (id: string, service: string, forMs: number, uses: number) => Promise<Grant>
  /** @returns null when there is no such grant */
  readonly revoke: (sandbox: string, grant: string) => Promise<Grant | null>
  readonly grants: (sandbox?: string) => Promise<Grant[]>
}

/** What the rest of the chassis uses of them. */
export interface CredentialBook extends Credentials {
  /** What one run of a sandbox may ask for. */
  readonly portOf: (sandbox: string) => CredentialPort
}

const maxGrantMs = 24 * 3_600_000
/** Of one run. */
const mostHandles = 64

export function createCredentials({ store, transact }: WitnessedStore, services: Services): CredentialBook {
  /** Takes one use from a grant, told to the ledger before the secret is touched. @returns null when it may not be used */
  const takeUse = (id: string, grantId: string, request: Buffer): Promise<Grant | null> =>
    transact(async (transaction) => {
      const sandbox = await existing(transaction, id)
      const grant = await transaction.get<Grant>(keys.grant(id, grantId))
      if (grant === null || grant.revokedAt !== null || grant.expiresAt <= transaction.at || grant.usesLeft < 1) {
        note(transaction, sandbox, 'credential_refused', { grant: grantId, service: grant?.service ?? null })
        return null
      }
      const after: Grant = { ...grant, usesLeft: grant.usesLeft - 1 }
      transaction.put(keys.grant(id, grantId), after)
      const requestSha256 = createHash('sha256').update(request).digest('hex')
      note(transaction, sandbox, 'credential_used', {
        grant: grantId,
        service: grant.service,
        usesLeft: after.usesLeft,
        requestSha256
      })
      return after
    })

  const portOf = (id: string): CredentialPort => {
    /** Handles of this run: what one run was given says nothing to another. */
    const handles = new Map<number, string>()
    return {
      open: async (service: string) => {
        const { at, records } = await store.list(keys.grant(id), { limit: 1000 })
        const grant = records
          .map(({ value }) => value as Grant)
          .find((each) => each.service === service && each.revokedAt === null && each.expiresAt > at && each.usesLeft > 0)
        if (grant === undefined || handles.size >= mostHandles) return { errno: errno.notCapable }
        const handle = handles.size + 1
        handles.set(handle, grant.id)
        return { errno: errno.success, handle }
      },
      use: async (handle: number, request: Buffer) => {
        const grantId = handles.get(handle)
        if (grantId === undefined) return { errno: errno.badDescriptor }
        const grant = await takeUse(id, grantId, request)
        const service = grant === null ? undefined : services.get(grant.service)
        if (service === undefined) return { errno: errno.notCapable }
        const body = await useService(service, request)
        return body === null ? { errno: errno.io } : { errno: errno.success, body }
      }
    }
  }

  return {
    portOf,
    grant: async (id, service, forMs, uses) => {
      if (!servicePattern.test(service) || !services.has(service))
        throw fail('service', `there is no service ${JSON.stringify(service).slice(0, 80)}`)
      if (!(Number.isInteger(forMs) && forMs >= 1 && forMs <= maxGrantMs))
        throw fail('grant', `a grant for ${forMs} ms: expected at most a day`)
      if (!(Number.isInteger(uses) && uses >= 1 && uses <= 10_000))
        throw fail('grant', `a grant of ${uses} uses: expected 1 to 10000`)
      return transact(async (transaction) => {
        const sandbox = await existing(transaction, id)
        const { at } = transaction
        const grant: Grant = {
          id: randomUUID().slice(0, 8),
          sandbox: id,
          service,
          grantedAt: at,
          expiresAt: at + forMs,
          usesLeft: uses,
          revokedAt: null
        }
        transaction.put(keys.grant(id, grant.id), grant)
        note(transaction, sandbox, 'credential_granted', { grant: grant.id, service, expiresAt: grant.expiresAt, uses })
        return grant
      })
    },
    revoke: (id, grantId) =>
      transact(async (transaction) => {
        const sandbox = await existing(transaction, id)
        const grant = await transaction.get<Grant>(keys.grant(id, checked(grantId, 'grant')))
        if (grant === null || grant.revokedAt !== null) return grant
        const after: Grant = { ...grant, revokedAt: transaction.at }
        transaction.put(keys.grant(id, grantId), after)
        note(transaction, sandbox, 'credential_revoked', { grant: grantId, service: grant.service })
        return after
      }),
    grants: async (id) => {
      const prefix = id === undefined ? keys.grants : keys.grant(checked(id))
      return (await allRecords<Grant>(store, prefix)).map(({ value }) => value)
    }
  }
}
