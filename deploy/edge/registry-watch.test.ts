import test from 'ava'
import type { RunningGuard } from '#guard'
import { manualClock } from '#kernel'
import { type RegistryChange, watchRegistry } from './registry-watch.ts'

type Registry = ReturnType<RunningGuard['registry']>
const registry = (parties: number) => ({ parties: Array.from({ length: parties }) }) as unknown as Registry

test('a new registry and a refused file are each told once', (t) => {
  const clock = manualClock()
  let current = registry(2)
  let problems: readonly string[] = []
  const changes: RegistryChange[] = []
  const stop = watchRegistry({ registry: () => current, registryProblems: () => problems }, clock, 1000, (change) =>
    changes.push(change)
  )
  clock.advance(3000)
  current = registry(3)
  clock.advance(3000)
  problems = ['line 3: id: twice']
  clock.advance(3000)
  problems = []
  clock.advance(1000)
  problems = ['line 3: id: twice']
  clock.advance(1000)
  t.deepEqual(changes, [
    { type: 'registry', ok: true, parties: 3 },
    { type: 'registry', ok: false, problems: ['line 3: id: twice'] },
    { type: 'registry', ok: false, problems: ['line 3: id: twice'] }
  ])
  stop()
  t.is(clock.pending(), 0)
})
