/** `npm run sim:sip [-- --calls N --seed N]`: the simulation at length, in every weather. */
import { parseArgs } from 'node:util'
import { simulate, weathers } from './simulation.ts'

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    weather: { type: 'string' },
    outcomes: { type: 'boolean', default: false }
  }
})
const seed = Number(values.seed)
const chosen = weathers.filter(({ name }) => values.weather === undefined || name === values.weather)
const each = Math.ceil(Number(values.calls) / chosen.length)
const begin = performance.now()
let failed = false
console.log(`seed ${seed}, ${each} calls in each weather`)
console.log('weather      calls  messages  repeated  simulated s  seconds  violations')
for (const weather of chosen) {
  const from = performance.now()
  const { calls, messages, retransmissions, simulatedMs, violations, left, outcomes } = simulate({ seed, calls: each, weather })
  const seconds = ((performance.now() - from) / 1000).toFixed(1)
  const over = Object.entries(left).filter(([, value]) => value !== 0)
  console.log(
    `${weather.name.padEnd(11)} ${`${calls}`.padStart(6)} ${`${messages}`.padStart(9)} ${`${retransmissions}`.padStart(9)} ${(simulatedMs / 1000).toFixed(0).padStart(12)} ${seconds.padStart(8)} ${`${violations.length}`.padStart(11)}`
  )
  if (values.outcomes) for (const [what, count] of [...outcomes].sort()) console.log(`  ${what}: ${count}`)
  for (const violation of violations) console.error(violation)
  for (const [what, value] of over) console.error(`left over: ${what} ${value}`)
  failed ||= violations.length > 0 || over.length > 0
}
console.log(`${((performance.now() - begin) / 1000).toFixed(1)} s`)
process.exitCode = failed ? 1 : 0
