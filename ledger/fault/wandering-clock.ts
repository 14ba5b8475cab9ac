/** Loaded in front of the process that writes: its wall clock jumps back and forth, by up to a day, now and then. Durations are measured by another clock. */
const day = 86_400_000
const now = Date.now
let offset = 0
let calls = 0

Date.now = () => {
  if (calls++ % 7 === 0) offset = Math.floor((Math.random() - 0.5) * 2 * day)
  return now() + offset
}
