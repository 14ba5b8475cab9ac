import test from 'ava'
import { EncodeError } from '../asn1/asn1.ts'
import { h225 } from '../h323.ts'
import { captured } from '../testing/vectors.ts'
import { baselineToken, baselineTokenOf, isSealed, judgeFreshness, keyOfPassword, seal } from './h235.ts'

type Tokens = Parameters<typeof baselineTokenOf>[0]

const tokensOf = (message: h225.RasMessage): Tokens =>
  'value' in message && 'cryptoTokens' in message.value ? (message.value.cryptoTokens as Tokens) : undefined

test('RAS messages of H323Plus and GnuGk carry the hash of their password and of no other', (t) => {
  const keys = ['secret1', 'secret2'].map(keyOfPassword)
  const other = keyOfPassword('secret3')
  let checked = 0
  for (const { cap, t: time, proto, hex } of captured()) {
    if (cap !== '60-gk-h235-password-auth' || proto !== 'ras') continue
    const octets = Buffer.from(hex, 'hex')
    const tokens = tokensOf(h225.rasMessage.decode(octets))
    if (baselineTokenOf(tokens) === undefined) continue
    t.is(keys.filter((key) => isSealed(octets, tokens, key)).length, 1, `${time}`)
    t.false(isSealed(octets, tokens, other))
    for (const at of [3, octets.length - 1]) {
      const altered = Buffer.from(octets)
      altered[at]! ^= 1
      let alteredTokens: Tokens
      try {
        alteredTokens = tokensOf(h225.rasMessage.decode(altered))
      } catch {
        continue
      }
      t.false(keys.some((key) => isSealed(altered, alteredTokens, key)))
    }
    checked++
  }
  t.is(checked, 16)
})

const claims = { sendersID: 'alice', generalID: 'gk', timeStamp: 1_795_239_272, random: 5 }

const disengage = (cryptoTokens: readonly h225.CryptoH323Token[]): h225.RasMessage => ({
  type: 'disengageConfirm',
  value: { requestSeqNum: 7, cryptoTokens }
})

test('a message sealed here is right for its key, its claims are those given', (t) => {
  const key = keyOfPassword('x')
  const octets = seal(h225.rasMessage, disengage([baselineToken(claims)]), key, tokensOf)
  const tokens = tokensOf(h225.rasMessage.decode(octets))
  t.true(isSealed(octets, tokens, key))
  t.deepEqual(baselineTokenOf(tokens)!.claims, claims)
  t.false(isSealed(octets, tokens, keyOfPassword('y')))
  // Tokens of another message, even an equal one, tell nothing about these octets.
  t.false(isSealed(octets, tokensOf(h225.rasMessage.decode(Buffer.from(octets))), key))
})

test('without a baseline token there is nothing to seal or to check', (t) => {
  const key = keyOfPassword('x')
  t.throws(() => seal(h225.rasMessage, disengage([]), key, tokensOf), { code: 'h323.h235.no-token' })
  t.throws(() => seal(h225.rasMessage, disengage([baselineToken({ ...claims, timeStamp: 0 })]), key, tokensOf), {
    instanceOf: EncodeError
  })
  const octets = h225.rasMessage.encode(disengage([]))
  t.false(isSealed(octets, tokensOf(h225.rasMessage.decode(octets)), key))
})

test('freshness: the window, a replay, and what is forgotten when its time is over', (t) => {
  const first = judgeFreshness([], claims, claims.timeStamp)
  t.is(first.verdict, 'fresh')
  t.is(judgeFreshness(first.seen, claims, claims.timeStamp + 60).verdict, 'replayed')
  t.is(judgeFreshness(first.seen, { ...claims, random: 6 }, claims.timeStamp).verdict, 'fresh')
  t.is(judgeFreshness(first.seen, claims, claims.timeStamp + 61).verdict, 'stale')
  t.is(judgeFreshness(first.seen, claims, claims.timeStamp - 61).verdict, 'stale')
  t.is(judgeFreshness(first.seen, { timeStamp: 1 }, claims.timeStamp).verdict, 'incomplete')
  t.deepEqual(judgeFreshness(first.seen, {}, claims.timeStamp + 61).seen, [])
})
