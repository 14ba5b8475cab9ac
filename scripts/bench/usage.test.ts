import test from 'ava'
import { cpuMsOfAll, machineCpuMs } from './usage.ts'

test('what the machine has used holds what this process has', (t) => {
  const [machine, own] = [machineCpuMs(), cpuMsOfAll([process.pid])]
  const endMs = performance.now() + 300
  while (performance.now() < endMs);
  const used = cpuMsOfAll([process.pid]) - own
  t.true(used >= 20, `${used} ms`)
  // each is told in ticks of 10 ms
  t.true(machineCpuMs() - machine >= used - 20)
})

test('waiting is no use of a machine, interrupts and what its host took are', (t) => {
  t.is(machineCpuMs('cpu  10 1 5 1000 50 2 3 4 0 0\ncpu0 7 1 2 500 25 2 3 4 0 0\n'), 250)
})
