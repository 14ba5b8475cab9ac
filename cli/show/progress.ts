const barWidth = 30
const barEveryMs = 100

/** A bar on stderr where that is a terminal, gone once all is read; else nothing. */
export function progressBar(what = 'entries'): (read: number, of: number) => void {
  if (!process.stderr.isTTY) return () => undefined
  let next = performance.now() + barEveryMs
  let shown = false
  return (read, of) => {
    const now = performance.now()
    if (read >= of) {
      if (shown) process.stderr.write('\r\u001b[K')
      return
    }
    if (now < next) return
    next = now + barEveryMs
    shown = true
    const full = Math.floor((read / of) * barWidth)
    process.stderr.write(`\r${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${read} of ${of} ${what}`)
  }
}
