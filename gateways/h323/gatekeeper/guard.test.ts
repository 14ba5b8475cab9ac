import test from 'ava'
import { openBench } from '../../../plugins/guard/testing/fixtures.ts'
import { arq, rrq } from './testing/ras-client.ts'
import { reasonOf, room } from './testing/room.ts'
import { askSealed } from './testing/sealing.ts'

const names = ['guardian-1', 'stranger', 'council']

test('IF.guard knows a Guardian by the alias and password of its room, and lets nobody else call', async (t) => {
  const guard = await openBench()
  t.teardown(guard.close)
  const users = names.map((name) => ({ name, password: `of ${name}` }))
  const { open, events } = await room(t, {
    config: { domain: 'council.local', users },
    decide: (request, context) => guard.guard.decide(context, { ...request, receivedAt: guard.clock.now() })
  })
  const join = async (name: string) => {
    const client = await open()
    const password = `of ${name}`
    const rcf = await askSealed(client, rrq(client, [name]), { password, sendersID: name })
    if (rcf.type !== 'registrationConfirm') throw new Error(reasonOf(rcf))
    const id = rcf.value.endpointIdentifier
    return (call: number, to: string) => askSealed(client, arq(client, id, call, [to]), { password, sendersID: id })
  }
  const [guardian, stranger] = [await join('guardian-1'), await join('stranger')]
  await join('council')
  t.is((await guardian(1, 'council')).type, 'admissionConfirm')
  t.like(events.at(-1), {
    event: 'h323_acf_received',
    payload: { guard: 'guard.approved', from: 'sip:guardian-1@council.local' }
  })
  t.is(reasonOf(await stranger(2, 'council')), 'invalidPermission')
  t.like(events.at(-1), {
    event: 'h323_arj_received',
    payload: { guard: 'guard.registered.unknown', reason: 'invalidPermission' }
  })
})
