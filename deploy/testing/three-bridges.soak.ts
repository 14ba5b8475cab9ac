/** All three bridges on one call, in a network namespace that has nothing but loopback. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { chromiumPath } from '#scripts/chromium.ts'
import { isolatedFor, missing } from '../../gateways/ndi/testing/isolated.ts'

const scenario = join(import.meta.dirname, 'three-bridges.ts')
const withinMs = 280_000
const hasPhone = spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error === undefined
const isHere = missing === null && hasPhone && chromiumPath !== undefined
const real = isHere ? test.serial : test.serial.skip
if (!isHere) {
  test('nothing to test with', (t) => {
    t.log(`skipped: ${missing ?? 'baresip and chromium are wanted'}`)
    t.pass()
  })
}

real(
  'a terminal, a browser and a source beside one expert: each is lost in turn and the other two go on; nothing is left',
  async (t) => {
    t.timeout(withinMs)
    interface Turn {
      readonly without: Record<string, string>
      readonly call: string
      readonly sound: boolean
    }
    const told = (await isolatedFor(withinMs, scenario)) as {
      shown: string
      together: string
      turns: Record<'h323' | 'webrtc' | 'ndi', Turn>
      closed: Record<string, string>
      leftBy: Record<string, unknown>
      problems: string[]
      changes: [escalation: string, bridge: string, previous: string, state: string][]
      verdict: string
    }
    t.is(told.together, 'ACTIVE')
    for (const line of [/^h323 to guardian-1: ACTIVE$/m, /^webrtc: ACTIVE$/m, /^ndi: ACTIVE$/m]) t.regex(told.shown, line)
    const lost = (bridge: string) => ({ h323: 'ACTIVE', webrtc: 'ACTIVE', ndi: 'ACTIVE', [bridge]: 'DEGRADED' })
    for (const bridge of ['h323', 'webrtc', 'ndi'] as const)
      t.deepEqual(told.turns[bridge], { without: lost(bridge), call: 'DEGRADED', sound: true }, bridge)
    t.deepEqual(told.closed, { h323: 'CLOSED', webrtc: 'CLOSED', ndi: 'CLOSED' })
    t.is(Object.keys(told.leftBy).length, 6)
    for (const [order, left] of Object.entries(told.leftBy)) t.is(left, 'nothing', order)
    const last = new Map<string, string>()
    for (const [escalation, bridge, previous, state] of told.changes) {
      const key = `${escalation} ${bridge}`
      t.is(previous, last.get(key) ?? 'IDLE')
      last.set(key, state)
    }
    t.is(last.size, 7 * 3)
    t.true([...last.values()].every((state) => state === 'CLOSED'))
    t.deepEqual(told.problems, [])
    t.is(told.verdict, 'valid')
  }
)
