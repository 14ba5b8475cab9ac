/** What may be seen on the wire, whatever is lost there. */
export interface Wire {
  /** Is told every message that is sent, each time it is. */
  readonly sent: (bytes: Buffer, from: string, to: string) => void
}

/** Repeats of one message: 64·T1 of retransmissions, and as many answers to repeats of a request that each arrived twice. */
const maxRepeats = 40

/** @param violation told of a second final answer to a request, and of a message without end. */
export function createWire(violation: (text: string) => void): Wire {
  const finals = new Map<string, string>()
  const repeats = new Map<string, number>()

  return {
    sent: (bytes, from, to) => {
      const text = bytes.toString('latin1')
      const line = text.slice(0, text.indexOf('\r\n'))
      const branch = /\r\nVia: [^\r]*?;branch=([^;\r]+)/.exec(text)?.[1]
      const cseq = /\r\nCSeq: ([^\r]+)/.exec(text)?.[1]
      const tag = /\r\nTo: [^\r]*?;tag=([^;\r]+)/.exec(text)?.[1] ?? ''
      const what = `${from} ${to} ${branch} ${cseq}`
      const message = `${what} ${line} ${tag}`
      const count = (repeats.get(message) ?? 0) + 1
      repeats.set(message, count)
      if (count === maxRepeats + 1) violation(`sent more than ${maxRepeats} times: ${message}`)
      const status = /^SIP\/2\.0 ([2-6]\d\d)/.exec(line)?.[1]
      if (status === undefined) return
      const final = status.startsWith('2') ? '2xx' : `${status} ${tag}`
      const earlier = finals.get(what)
      if (earlier === undefined) finals.set(what, final)
      else if (earlier !== final) violation(`two final answers, ${earlier} and ${final}: ${what}`)
    }
  }
}
