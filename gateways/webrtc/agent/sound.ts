/** The sound of an agent: Opus over SRTP on loopback, 16-bit PCM of one channel at 48 kHz to the program. */
import { setTimeout as sleep } from 'node:timers/promises'
import { RtpPhone } from '#media'

export const agentSampleRateHz = 48_000

export interface AgentSound {
  /**
   * Says what comes, in real time, after what is being said already.
   *
   * @param source pieces of any length, 16-bit, one channel, 48 kHz; read as they are said, no more than a second ahead
   * @returns resolves when all of it is said, or the agent has left
   */
  readonly say: (source: AsyncIterable<Int16Array> | Iterable<Int16Array>) => Promise<void>
  /** What is heard from now on, in pieces of 20 ms or so, of the same form; ends when the agent leaves. Of a reader that lags, the oldest is lost after two seconds. */
  readonly heard: () => AsyncIterable<Int16Array>
}

/** Sound with its transport, before the conference has answered. */
export interface OpenSound extends AgentSound {
  readonly offer: string
  readonly answered: (sdp: string) => void
  readonly close: () => void
}

const aheadSamples = agentSampleRateHz
const mostLagging = 100

interface Listener {
  readonly pieces: Int16Array[]
  wake: () => void
}

/** @param encrypted whether the sound goes as SRTP, with keys that are told over the WebSocket */
export async function openSound(encrypted: boolean): Promise<OpenSound> {
  const queue: Int16Array[] = []
  let queued = 0
  let taken = 0
  let closed = false
  const listeners = new Set<Listener>()

  /** Fills a frame from the queue; silence where there is nothing. */
  const fill = (samples: Int16Array): void => {
    let at = 0
    while (at < samples.length && queue.length > 0) {
      const piece = queue[0]!
      const part = piece.subarray(taken, taken + samples.length - at)
      samples.set(part, at)
      at += part.length
      taken += part.length
      queued -= part.length
      if (taken < piece.length) continue
      queue.shift()
      taken = 0
    }
    samples.fill(0, at)
  }
  const phone = await RtpPhone.open({
    codec: 'opus',
    srtp: encrypted,
    keeps: false,
    onSend: fill,
    onReceive: (samples) => {
      for (const listener of listeners) {
        listener.pieces.push(samples.slice())
        if (listener.pieces.length > mostLagging) listener.pieces.shift()
        listener.wake()
      }
    }
  })
  const sampleMs = 1000 / agentSampleRateHz

  async function* hear(): AsyncGenerator<Int16Array> {
    const listener: Listener = { pieces: [], wake: () => {} }
    listeners.add(listener)
    try {
      while (!closed || listener.pieces.length > 0) {
        const piece = listener.pieces.shift()
        if (piece !== undefined) yield piece
        else
          await new Promise<void>((resolve) => {
            listener.wake = resolve
          })
      }
    } finally {
      listeners.delete(listener)
    }
  }

  return {
    offer: phone.sdp(),
    answered: (sdp) => phone.talkTo(sdp),
    say: async (source) => {
      for await (const piece of source) {
        if (closed) return
        queue.push(piece)
        queued += piece.length
        while (queued > aheadSamples && !closed) await sleep((queued - aheadSamples) * sampleMs)
      }
      while (queued > 0 && !closed) await sleep(queued * sampleMs)
    },
    heard: hear,
    close: () => {
      closed = true
      phone.close()
      for (const { wake } of listeners) wake()
    }
  }
}
