import test from 'ava'
import { InfraFabricError } from '#kernel'
import { leftCalls } from './restart.ts'

const entry = (index: number, event: string, payload: object) => ({
  entry: { index, event, trace_id: 'a'.repeat(32), time: '2026-01-01T00:00:00Z', component: 'IF.proxy', payload }
})
const invite = entry(7, 'INVITE', { application: 'sip-1', callId: 'left@phone' })

function find(fails: 'nowhere' | 'flush' | 'query') {
  const warned: string[] = []
  const fail = async () => {
    throw new InfraFabricError('ledger.store.unreachable', 'Redis is gone')
  }
  const query = async ({ event }: { readonly event?: string }) => (event === 'INVITE' ? [invite] : [])
  const left = leftCalls({
    ledger: { reader: { query: fails === 'query' ? fail : query } } as never,
    witness: { flush: fails === 'flush' ? fail : async () => undefined, record: fail } as never,
    warn: (code) => void warned.push(code)
  })
  return { left, warned, found: left.find('sip-1') }
}

test('calls of an earlier run are known only where the ledger could be read: else the next start looks for them again', async (t) => {
  const whole = find('nowhere')
  t.deepEqual(
    (await whole.found).map(({ callId }) => callId),
    ['left@phone']
  )
  t.true(whole.left.isComplete())
  for (const fails of ['flush', 'query'] as const) {
    const { left, warned, found } = find(fails)
    t.deepEqual(await found, [])
    t.false(left.isComplete(), fails)
    t.deepEqual(warned, ['suite.open-calls.unknown'])
  }
})
