/** Numbers of tasks, taken by several threads in their order: none twice, none left out before the end. */

const next = 0
const end = 1

export function shareTasks(count: number): Int32Array {
  const counters = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
  counters[end] = count
  return counters
}

/** The next task; null when there is none. */
export function takeTask(counters: Int32Array): number | null {
  const number = Atomics.add(counters, next, 1)
  return number < Atomics.load(counters, end) ? number : null
}

/** No more tasks are given out. */
export function endTasks(counters: Int32Array): void {
  Atomics.store(counters, end, 0)
}
