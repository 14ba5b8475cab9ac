import test from 'ava'
import { rasMessage } from '../../h225/pdus.ts'
import { baselineTokenOf, isSealed, keyOfPassword } from '../../h235/h235.ts'
import { arq, drq, grq, rrq, urq } from '../testing/ras-client.ts'
import { reasonOf, room } from '../testing/room.ts'
import { askSealed, type Sealing, sealed, tokensOf } from '../testing/sealing.ts'

const users = [
  { name: 'alice', password: 'secret1', aliases: ['1001'] },
  { name: 'bob', password: 'secret2', prefixes: ['00'] }
]

test('H.235.1: registration and call with sealed messages, answers sealed for their recipient', async (t) => {
  const { open, asked, events } = await room(t, { config: { users } })
  const client = await open()
  const gcf = await client.ask(grq(client))
  t.deepEqual(gcf.type === 'gatekeeperConfirm' && gcf.value.authenticationMode, { type: 'pwdHash' })
  const octets = await client.askOctets(sealed(rrq(client, ['alice', '1001']), { password: 'secret1', sendersID: 'alice' }))
  const rcf = rasMessage.decode(octets)
  if (rcf.type !== 'registrationConfirm') return t.fail(reasonOf(rcf))
  const id = rcf.value.endpointIdentifier
  t.true(isSealed(octets, tokensOf(rcf), keyOfPassword('secret1')))
  t.like(baselineTokenOf(tokensOf(rcf))!.claims, { sendersID: 'infrafabric', generalID: id })
  t.is((await askSealed(client, arq(client, id, 1, ['alice']), { password: 'secret1', sendersID: id })).type, 'admissionConfirm')
  t.is(asked[0]!.edge.authenticatedUser, 'alice')
  t.true(events[0]!.payload.authenticated)
  t.is((await askSealed(client, drq(client, id, 1), { password: 'secret1', sendersID: id })).type, 'disengageConfirm')
  t.false(JSON.stringify(events).includes('secret'))
})

test('H.235.1: what is not sealed for this gatekeeper, by this user, now and once, is refused', async (t) => {
  const { open, gatekeeper } = await room(t, { config: { users } })
  const client = await open()
  const refused = async (how: Sealing, names = ['alice']): Promise<string> =>
    reasonOf(await askSealed(client, rrq(client, names), how))
  t.is(reasonOf(await client.ask(rrq(client, ['alice']))), 'securityDenial')
  t.is(await refused({ password: 'wrong', sendersID: 'alice' }), 'securityDenial')
  t.is(await refused({ password: 'secret1', sendersID: 'nobody' }), 'securityDenial')
  t.is(await refused({ password: 'secret1', sendersID: 'alice', generalID: 'another' }), 'securityDenial')
  t.is(await refused({ password: 'secret1', sendersID: 'alice', ageS: 121 }), 'securityDenial')
  t.is(await refused({ password: 'secret1', sendersID: 'alice', ageS: -130 }), 'securityDenial')
  t.is(await refused({ password: 'secret1', sendersID: 'alice' }, ['bob']), 'invalidAlias')
  t.is(await refused({ password: 'secret1', sendersID: 'alice' }, ['1002']), 'invalidAlias')
  const altered = sealed(rrq(client, ['alice']), { password: 'secret1', sendersID: 'alice' })
  altered[3]! ^= 1
  t.is(reasonOf(rasMessage.decode(await client.askOctets(altered))), 'securityDenial')
  t.is(gatekeeper.endpoints().length, 0)

  // the very same octets from elsewhere: a replay, no retransmission
  const once = sealed(rrq(client, ['alice']), { password: 'secret1', sendersID: 'alice' })
  t.is(rasMessage.decode(await client.askOctets(once)).type, 'registrationConfirm')
  const thief = await open()
  t.is(reasonOf(rasMessage.decode(await thief.askOctets(once))), 'securityDenial')
})

test('H.235.1: an endpoint changes and unregisters only itself', async (t) => {
  const { open, gatekeeper } = await room(t, { config: { users } })
  const [alice, bob] = [await open(), await open()]
  const rcf = await askSealed(alice, rrq(alice, ['alice']), { password: 'secret1', sendersID: 'alice' })
  const id = rcf.type === 'registrationConfirm' ? rcf.value.endpointIdentifier : ''
  const asBob = { password: 'secret2', sendersID: 'bob' }
  t.is(reasonOf(await askSealed(bob, rrq(bob, ['bob'], { endpointIdentifier: id }), asBob)), 'securityDenial')
  t.is(reasonOf(await askSealed(bob, urq(bob, id), asBob)), 'securityDenial')
  t.is(reasonOf(await askSealed(bob, urq(bob, id), { ...asBob, sendersID: id })), 'securityDenial')
  t.is(reasonOf(await alice.ask(urq(alice, id))), 'securityDenial', 'without a seal, though from the right address')
  t.is(gatekeeper.endpoints().length, 1)
  t.is((await askSealed(alice, urq(alice, id), { password: 'secret1', sendersID: id })).type, 'unregistrationConfirm')
})
