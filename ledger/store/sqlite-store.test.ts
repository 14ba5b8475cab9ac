import { join } from 'node:path'
import test from 'ava'
import { scratch } from '../testing/fixtures.ts'
import { storeContract } from './contract.ts'

storeContract(test, 'SQLite', async (t) => ({ kind: 'sqlite', path: join(scratch(t), 'ledger.db'), busyTimeoutMs: 2000 }))
storeContract(test, 'SQLite, commits in a thread', async (t) => ({
  kind: 'sqlite',
  path: join(scratch(t), 'ledger.db'),
  busyTimeoutMs: 2000,
  commitThreadFrom: 1
}))
