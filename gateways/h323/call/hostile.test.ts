/** Changed messages of real calls at a call in any state: what cannot be read is a DecodeError, anything else is taken; nothing hangs, nothing grows. */
import test from 'ava'
import { DecodeError } from '#kernel'
import { seeded } from '../control/testing/sides.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import { decodeQ931 } from '../q931/q931.ts'
import { captured } from '../testing/vectors.ts'
import { media, pairOf } from './testing/pair.ts'

const rounds = 3000

const messages = captured().filter(({ proto }) => proto !== 'ras')
const octetsOf = ({ hex }: { readonly hex: string }): Buffer => Buffer.from(hex, 'hex').subarray(4)

/** Flips bits, cuts, doubles a part, or leaves as it is. */
function change(octets: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * octets.length)
  const kind = random()
  if (kind < 0.2) return octets
  if (kind < 0.3) return octets.subarray(0, at)
  if (kind < 0.4) return Buffer.concat([octets.subarray(0, at), octets.subarray(Math.floor(at / 2))])
  const changed = Buffer.from(octets)
  for (let n = Math.ceil(random() * 3); n > 0; n--)
    changed[Math.floor(random() * changed.length)]! ^= 1 << Math.floor(random() * 8)
  return changed
}

test('any changed message in any state', (t) => {
  const random = seeded(20)
  let taken = 0
  let refused = 0
  let pair = pairOf({ random })
  let given = 0
  const begin = (): void => {
    const modes = { fastStart: random() < 0.5, tunnelling: random() < 0.5, earlyH245: random() < 0.5 }
    pair = pairOf({ random, caller: modes, called: { fastStart: random() < 0.5, tunnelling: random() < 0.7 } })
    given = 0
    pair.dial()
    if (random() < 0.8) pair.settle(random)
    if (random() < 0.6) pair.act('called', (one) => one.setLocal(media.called()))
    if (random() < 0.6) pair.act('called', (one) => one.answer())
    if (random() < 0.6) pair.settle(random)
  }
  begin()
  for (let round = 0; round < rounds; round++) {
    const message = messages[Math.floor(random() * messages.length)]!
    const octets = change(octetsOf(message), random)
    const side = random() < 0.5 ? 'caller' : 'called'
    try {
      pair.act(side, (one) => {
        if (message.proto === 'h245') one.h245Received(multimediaSystemControlMessage.decode(octets))
        else one.received(decodeQ931(octets))
      })
      taken++
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      refused++
    }
    if (random() < 0.2) pair.clock.advance(700)
    if (++given > 30 || pair.caller.session.hasEnded || pair.called.session.hasEnded) {
      pair.act('caller', (one) => one.release(16))
      pair.act('called', (one) => one.release(16))
      // what was on its way to be connected is tried once more, and leads nowhere
      pair.clock.advance(5)
      t.is(pair.clock.pending(), 0)
      t.true(pair.wire.length < 1000)
      begin()
    }
  }
  t.true(taken > rounds / 10 && refused > rounds / 10, `${taken} taken, ${refused} refused`)
})
