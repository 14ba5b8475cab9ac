import test from 'ava'
import fc from 'fast-check'
import { type Abilities, type CodecName, negotiate } from './negotiation.ts'

const all: ReadonlySet<CodecName> = new Set(['opus', 'G722', 'PCMU', 'PCMA', 'G729'])
const without = (...codecs: CodecName[]): ReadonlySet<CodecName> => new Set([...all].filter((codec) => !codecs.includes(codec)))

const rows: readonly (readonly [string, Abilities, ReturnType<typeof negotiate>])[] = [
  [
    'the first of both',
    { sip: ['opus', 'G722', 'PCMU'], h323: ['PCMU', 'G722'], here: all },
    { stage: 'direct', sip: 'G722', h323: 'G722' }
  ],
  ['opus on both sides', { sip: ['opus'], h323: ['opus', 'PCMU'], here: all }, { stage: 'direct', sip: 'opus', h323: 'opus' }],
  [
    'the widest pair',
    { sip: ['opus', 'PCMU'], h323: ['PCMA', 'G722'], here: all },
    { stage: 'transcoded', sip: 'opus', h323: 'G722' }
  ],
  [
    'the cheaper of two alike',
    { sip: ['opus', 'PCMU'], h323: ['G729', 'PCMA'], here: all },
    { stage: 'transcoded', sip: 'PCMU', h323: 'PCMA' }
  ],
  [
    'what is not there is not used',
    { sip: ['PCMU'], h323: ['G729', 'PCMA'], here: without('G729') },
    { stage: 'transcoded', sip: 'PCMU', h323: 'PCMA' }
  ],
  ['G.711 for a late offer', { sip: null, h323: ['PCMA', 'G729'], here: all }, { stage: 'g711', sip: 'PCMU', h323: 'PCMA' }],
  [
    'G.711 for a terminal that has not said',
    { sip: ['opus', 'PCMA'], h323: null, here: all },
    { stage: 'g711', sip: 'PCMA', h323: 'PCMU' }
  ],
  [
    'G.711, which every terminal has',
    { sip: ['PCMA'], h323: ['G729'], here: without('G729') },
    { stage: 'g711', sip: 'PCMA', h323: 'PCMU' }
  ],
  ['a SIP side that insists', { sip: ['G729'], h323: ['PCMU'], here: without('G729') }, null],
  ['a SIP side without codecs', { sip: [], h323: ['PCMU'], here: all }, null]
]
for (const [name, abilities, agreement] of rows)
  test(name, (t) => {
    t.deepEqual(negotiate(abilities), agreement)
  })

test('property: what is agreed on is what each side named, spoken here, and direct before transcoded', (t) => {
  const side = fc.option(fc.shuffledSubarray([...all]), { nil: null })
  fc.assert(
    fc.property(side, side, fc.subarray(['opus', 'G722', 'G729'] as CodecName[]), (sip, h323, more) => {
      const here = new Set<CodecName>(['PCMU', 'PCMA', ...more])
      const agreed = negotiate({ sip, h323, here })
      const common = (sip ?? []).some((codec) => h323?.includes(codec) && here.has(codec))
      if (agreed === null) {
        t.false(sip === null || sip.includes('PCMU') || sip.includes('PCMA') || common)
        return
      }
      t.true(here.has(agreed.sip) && here.has(agreed.h323))
      if (sip !== null) t.true(sip.includes(agreed.sip))
      if (h323 !== null && agreed.stage !== 'g711') t.true(h323.includes(agreed.h323))
      t.is(agreed.stage === 'direct', common)
    })
  )
})
