import test from 'ava'
import fc from 'fast-check'
import { InfraFabricError } from '#kernel'
import { type BridgeStep, bridgeSteps, type Step, type StepOutcome, setUp } from './set-up.ts'

const fine: StepOutcome = { ok: true }

/** Five steps that note what is done; `at` goes otherwise. */
function script(at: BridgeStep | null, run: () => Promise<StepOutcome> = async () => fine, failing: readonly BridgeStep[] = []) {
  const done: string[] = []
  const steps = bridgeSteps.map(
    (name): Step => ({
      name,
      run: async () => {
        done.push(`+${name}`)
        return name === at ? run() : fine
      },
      undo: async (cause) => {
        done.push(`-${name} ${cause}`)
        if (failing.includes(name)) throw new InfraFabricError('test.stuck', 'does not undo')
      }
    })
  )
  return { done, steps }
}

const never = new AbortController().signal

test('all five steps, in order', async (t) => {
  const { done, steps } = script(null)
  t.deepEqual(await setUp(steps, never), { ok: true })
  t.deepEqual(
    done,
    bridgeSteps.map((name) => `+${name}`)
  )
})

test('a step that fails, at each place: those before it and itself are undone, the latest first, and it is named', async (t) => {
  for (const [n, name] of bridgeSteps.entries()) {
    const { done, steps } = script(name, async () => ({ ok: false, code: 'bridge.test', reason: 'no', cause: 17 }))
    const result = await setUp(steps, never)
    t.like(result, { ok: false, step: name, code: 'bridge.test', cause: 17 })
    const before = bridgeSteps.slice(0, n + 1)
    t.deepEqual(done, [...before.map((each) => `+${each}`), ...before.toReversed().map((each) => `-${each} 17`)])
  }
})

test('a defect is a failure, and an undoing that fails does not keep the others from being undone', async (t) => {
  const { done, steps } = script('media', () => Promise.reject(new InfraFabricError('test.broken', 'broken')), ['h323-leg'])
  t.deepEqual(await setUp(steps, never), {
    ok: false,
    step: 'media',
    code: 'test.broken',
    reason: 'the step failed',
    cause: 41,
    undone: [
      { step: 'media', failed: null },
      { step: 'codecs', failed: null },
      { step: 'h323-leg', failed: 'test.stuck' },
      { step: 'sip-leg', failed: null }
    ]
  })
  t.is(done.at(-1), '-sip-leg 41')
})

test('given up while a step is under way: it is undone at once, whatever becomes of it', async (t) => {
  const gone = new AbortController()
  const { done, steps } = script('h323-leg', () => new Promise(() => undefined))
  const result = setUp(steps, gone.signal)
  await new Promise((resolve) => setImmediate(resolve))
  gone.abort()
  t.like(await result, { ok: false, step: 'h323-leg', code: 'bridge.given-up', cause: 16 })
  t.deepEqual(done, ['+sip-leg', '+h323-leg', '-h323-leg 16', '-sip-leg 16'])
})

test('property: whatever fails, nothing stays done', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...bridgeSteps), fc.subarray([...bridgeSteps]), async (at, failing) => {
      const { done, steps } = script(at, async () => ({ ok: false, code: 'bridge.test', reason: '', cause: 41 }), failing)
      await setUp(steps, never)
      const begun = done.filter((each) => each.startsWith('+')).map((each) => each.slice(1))
      const undone = done.filter((each) => each.startsWith('-')).map((each) => each.slice(1).split(' ')[0])
      t.deepEqual(undone, begun.toReversed())
    })
  )
})
