import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type Incident, incidents, type LawName, playTwice, type Script } from '../testing/lane-twin.ts'

const calm: Script = {
  laws: ['PCMU', 'PCMA', 'PCMU'],
  ticks: 200,
  voices: 8,
  autoGain: false,
  drifts: [0, 0, 0],
  silentTicks: [0, 0, 0],
  incidents: [],
  seed: 7,
  jitterTargetMs: 20,
  guest: false,
  mostWithheld: 12
}

/** Plays a script; both must tell the same. @returns the part of the legs' frames that the lane carried */
async function same(t: ExecutionContext, script: Script): Promise<number | null> {
  const played = await playTwice(script)
  if (played === null) {
    t.not(process.platform, 'linux', 'the lane is not built, or not anew: scripts/setup.sh does it')
    return null
  }
  const { plain, express } = played
  t.deepEqual(express.told, plain.told)
  for (const [who, sent] of express.sent.entries()) t.deepEqual(sent, plain.sent[who])
  t.deepEqual(express.stats, plain.stats)
  t.deepEqual(express.lent, plain.lent)
  t.is(plain.carried, 0)
  return express.carried / (script.ticks * script.laws.length)
}

test('calm calls are carried by the lane, and nobody hears or counts the difference', async (t) => {
  // one by one, and by a ring: lane-twin.ts
  for (const seed of [7, 8]) {
    const carried = await same(t, { ...calm, seed })
    if (carried !== null) t.true(carried > 0.98, `${carried}`)
  }
})

/** Of the legs' frames the part that the lane carries at least where its own code deals with what happens, and where a leg leaves it for a while. */
const [atHome, visiting] = [0.99, 0.8]
const leaving: readonly Incident[] = ['lose', 'noise', 'key', 'jump', 'half', 'long', 'huge', 'press']
/** Frames in which nothing is mixed count as not carried. */
const notMixed: readonly Incident[] = ['sleep']

/** What a standstill, and a network that holds back everything for a second, leave behind: more than is held. */
const flooding: readonly Incident[] = ['standstill', 'blackout']

for (const what of incidents.filter((one) => !flooding.includes(one)))
  test(`${what}: the same with and without the lane`, async (t) => {
    const at = [60, 61, 110, 150, 151, 152].map((tick, n) => ({ tick, who: n % 3, what }))
    const carried = await same(t, {
      ...calm,
      ticks: 240,
      autoGain: true,
      incidents: at,
      seed: what.length * 31 + 1,
      jitterTargetMs: 60
    })
    const least = leaving.includes(what) || notMixed.includes(what) ? visiting : atHome
    if (carried !== null) t.true(carried > least, `${carried}`)
  })

test('a thread that stood still for up to five seconds finds all its legs in the lane, and has them in time with the next frame', async (t) => {
  for (const seed of [3, 4, 5, 6]) {
    const played = await playTwice({ ...calm, ticks: 400, seed, incidents: [{ tick: 100, who: 0, what: 'standstill' }] })
    if (played === null) {
      t.not(process.platform, 'linux')
      return
    }
    const { plain, express } = played
    t.deepEqual(express.sent, plain.sent)
    t.deepEqual(express.stats, plain.stats)
    t.deepEqual(express.lent, plain.lent)
    t.is(express.carried, calm.laws.length * (express.sent[0]!.length - 1))
  }
})

test('legs that were outside when the thread stood still are back within five frames, whatever waits in their sockets', async (t) => {
  for (const seed of [21, 22, 23, 24]) {
    const lost = calm.laws.map((_, who) => ({ tick: 100, who, what: 'lose' as const }))
    const stood = { tick: 102, who: 0, what: 'standstill' as const }
    const played = await playTwice({ ...calm, ticks: 400, seed, incidents: [...lost, stood] })
    if (played === null) {
      t.not(process.platform, 'linux')
      return
    }
    const { plain, express } = played
    t.deepEqual(express.sent, plain.sent)
    t.deepEqual(express.stats, plain.stats)
    const frames = express.sent[0]!.length - 1
    t.true(express.carried >= calm.laws.length * (frames - 5), `${express.carried} of ${calm.laws.length * frames}`)
  }
})

test('a second of packets that come at once from all: none leaves the lane', async (t) => {
  for (const seed of [11, 12]) {
    const all = calm.laws.map((_, who) => ({ tick: 100, who, what: 'blackout' as const }))
    const carried = await same(t, { ...calm, ticks: 400, seed, mostWithheld: 56, incidents: all })
    if (carried !== null) t.true(carried > atHome, `${carried}`)
  }
})

test('more voices than places, and gain that follows them', async (t) => {
  const laws: LawName[] = ['PCMU', 'PCMA', 'PCMU', 'PCMU', 'PCMA', 'PCMU']
  const carried = await same(t, {
    ...calm,
    laws,
    drifts: laws.map(() => 0),
    silentTicks: laws.map(() => 0),
    ticks: 300,
    voices: 2,
    autoGain: true,
    seed: 99
  })
  if (carried !== null) t.true(carried > 0.98, `${carried}`)
})

test('somebody who is being called keeps nobody out of the lane', async (t) => {
  const carried = await same(t, { ...calm, guest: true })
  if (carried !== null) t.true(carried > 0.98, `${carried}`)
})

test('who has not spoken yet listens in the lane, alone as well, and goes on there with the first packet', async (t) => {
  for (const silentTicks of [
    [0, 80, Number.POSITIVE_INFINITY],
    [90, 90, 90],
    [Number.POSITIVE_INFINITY, 150, 60]
  ]) {
    const happened = (['report', 'stranger', 'skip', 'standstill', 'mute', 'refresh', 'press'] as const).map((what, n) => ({
      tick: 30 + 9 * n,
      who: n % 3,
      what
    }))
    const quiet = await same(t, { ...calm, silentTicks, ticks: 400 })
    // ten packets tell that somebody only listens
    if (quiet !== null) t.true(quiet > 0.96, `${quiet}`)
    await same(t, { ...calm, silentTicks, ticks: 400, incidents: happened })
  }
})

test('clocks that differ', async (t) => {
  const carried = await same(t, { ...calm, ticks: 1500, drifts: [300, -300, 40] })
  if (carried !== null) t.true(carried > 0.99, `${carried}`)
})

const law = fc.constantFrom<LawName>('PCMU', 'PCMA')
const scripts = fc.integer({ min: 1, max: 4 }).chain((size) =>
  fc.record({
    laws: fc.array(law, { minLength: size, maxLength: size }),
    ticks: fc.constant(160),
    voices: fc.integer({ min: 1, max: 5 }),
    autoGain: fc.boolean(),
    drifts: fc.array(fc.integer({ min: -3000, max: 3000 }), { minLength: size, maxLength: size }),
    silentTicks: fc.array(fc.constantFrom(0, 0, 5, 40, Number.POSITIVE_INFINITY), { minLength: size, maxLength: size }),
    incidents: fc.array(
      fc.record({
        tick: fc.integer({ min: 20, max: 150 }),
        who: fc.nat(size - 1),
        what: fc.constantFrom<Incident>(...incidents)
      }),
      { maxLength: 12 }
    ),
    seed: fc.integer({ min: 1, max: 1e9 }),
    jitterTargetMs: fc.constantFrom(20, 40, 60, 80),
    guest: fc.boolean(),
    mostWithheld: fc.constant(6)
  })
)

test('whatever happens, it is the same with and without the lane', async (t) => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const played = await playTwice(script)
      if (played === null) {
        t.not(process.platform, 'linux')
        return
      }
      // What waited for a thread that stood still is read leg by leg.
      t.deepEqual(played.express.told.toSorted(), played.plain.told.toSorted())
      t.deepEqual(played.express.sent, played.plain.sent)
      t.deepEqual(played.express.stats, played.plain.stats)
      t.deepEqual(played.express.lent, played.plain.lent)
    }),
    { numRuns: 60, endOnFailure: false }
  )
})
