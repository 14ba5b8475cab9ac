/** Chromium as it comes with Debian, as participants of a conference: each page says a tone and shows a colour. Loopback only, no STUN server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { startChromium } from '#scripts/chromium.ts'

export interface Caller {
  /** The offer of a new connection. @param colour of its picture; null for sound alone */
  readonly offer: (frequencyHz: number, colour: string | null) => Promise<string>
  /** The answer to an offer of ours. */
  readonly answer: (offer: string, frequencyHz: number, colour: string | null) => Promise<string>
  readonly accept: (answer: string) => Promise<void>
  /** A further offer of the same connection, with another direction of sound. */
  readonly offerAgain: (direction: RTCRtpTransceiverDirectionName, restartIce?: boolean) => Promise<string>
  /** How loud it says its tone: 0 to 1. */
  readonly say: (gain: number) => Promise<void>
  /** How loud it hears tones: dB, about −20 for one that is clear, below −70 for none. */
  readonly hears: (frequencies: readonly number[]) => Promise<number[]>
  /** What it sees: red, green and blue in the middle of the picture; null for nothing yet. */
  readonly sees: () => Promise<[number, number, number] | null>
  readonly press: (keys: string) => Promise<void>
  readonly state: () => Promise<string>
  readonly framesDecoded: () => Promise<number>
  readonly hangUp: () => Promise<void>
}

type RTCRtpTransceiverDirectionName = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

export interface TestBrowser {
  readonly open: () => Promise<Caller>
  readonly close: () => Promise<void>
}

/** What runs in the page. */
const program = `
const pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle' })
const audio = new AudioContext({ sampleRate: 48000 })
const gain = audio.createGain()
const analyser = audio.createAnalyser()
analyser.fftSize = 8192
analyser.smoothingTimeConstant = 0
const video = document.createElement('video')
video.muted = true
pc.ontrack = ({ track }) => {
  const stream = new MediaStream([track])
  if (track.kind === 'video') { video.srcObject = stream; video.play() }
  else {
    const sink = new Audio()
    sink.muted = true
    sink.srcObject = stream
    sink.play()
    audio.createMediaStreamSource(stream).connect(analyser)
  }
}
const addMedia = async (frequency, colour) => {
    await audio.resume()
    const oscillator = audio.createOscillator()
    const out = audio.createMediaStreamDestination()
    oscillator.frequency.value = frequency
    oscillator.connect(gain).connect(out)
    oscillator.start()
    pc.addTrack(out.stream.getAudioTracks()[0], out.stream)
    if (colour !== null) {
      const canvas = document.createElement('canvas')
      canvas.width = 160
      canvas.height = 120
      const pen = canvas.getContext('2d')
      let n = 0
      setInterval(() => {
        pen.fillStyle = colour
        pen.fillRect(0, 0, 160, 120)
        pen.fillStyle = 'white'
        pen.fillRect(n++ % 150, 0, 10, 8)
      }, 66)
      const track = canvas.captureStream(15).getVideoTracks()[0]
      pc.addTrack(track, new MediaStream([track]))
    }
}
window.caller = {
  async offer(frequency, colour) {
    await addMedia(frequency, colour)
    await pc.setLocalDescription()
    return pc.localDescription.sdp
  },
  async answer(sdp, frequency, colour) {
    await pc.setRemoteDescription({ type: 'offer', sdp })
    await addMedia(frequency, colour)
    await pc.setLocalDescription()
    return pc.localDescription.sdp
  },
  async offerAgain(direction, restart) {
    pc.getTransceivers()[0].direction = direction
    if (restart) pc.restartIce()
    await pc.setLocalDescription()
    return pc.localDescription.sdp
  },
  accept: (sdp) => pc.setRemoteDescription({ type: 'answer', sdp }),
  say: (value) => { gain.gain.value = value },
  hears(frequencies) {
    const bins = new Float32Array(analyser.frequencyBinCount)
    analyser.getFloatFrequencyData(bins)
    const width = audio.sampleRate / analyser.fftSize
    return frequencies.map((frequency) => {
      const at = Math.round(frequency / width)
      return Math.max(-200, ...bins.subarray(at - 2, at + 3))
    })
  },
  sees() {
    if (video.videoWidth === 0) return null
    const canvas = document.createElement('canvas')
    canvas.width = video.videoWidth
    canvas.height = video.videoHeight
    const pen = canvas.getContext('2d')
    pen.drawImage(video, 0, 0)
    return [...pen.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data.slice(0, 3)]
  },
  press: (keys) => pc.getSenders()[0].dtmf.insertDTMF(keys, 100, 70),
  state: () => pc.connectionState,
  async framesDecoded() {
    let frames = 0
    for (const report of (await pc.getStats()).values()) if (report.type === 'inbound-rtp') frames += report.framesDecoded ?? 0
    return frames
  },
  hangUp: () => pc.close()
}
`

/** @throws {Error} when there is no Chromium */
export async function openBrowser(): Promise<TestBrowser> {
  const home = await mkdtemp(join(tmpdir(), 'media-browser-'))
  const browser = await startChromium(
    home,
    '--disable-background-timer-throttling',
    '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows'
  )
  const call = <T>(page: Page, name: string, ...given: unknown[]): Promise<T> =>
    page.evaluate(`window.caller.${name}(${given.map((value) => JSON.stringify(value)).join(', ')})`) as Promise<T>
  return {
    open: async () => {
      const page = await browser.newPage()
      // a page of its own server would need a port; media wants a secure context, which localhost is
      await page.route('**', (route) => route.fulfill({ body: '<html></html>', contentType: 'text/html' }))
      await page.goto('http://localhost/')
      await page.evaluate(program)
      return {
        offer: (frequencyHz, colour) => call(page, 'offer', frequencyHz, colour),
        answer: (offer, frequencyHz, colour) => call(page, 'answer', offer, frequencyHz, colour),
        accept: (answer) => call(page, 'accept', answer),
        offerAgain: (direction, restartIce = false) => call(page, 'offerAgain', direction, restartIce),
        say: (gain) => call(page, 'say', gain),
        hears: (frequencies) => call(page, 'hears', frequencies),
        sees: () => call(page, 'sees'),
        press: (keys) => call(page, 'press', keys),
        state: () => call(page, 'state'),
        framesDecoded: () => call(page, 'framesDecoded'),
        hangUp: () => call(page, 'hangUp')
      }
    },
    close: async () => {
      await browser.close()
      await rm(home, { recursive: true, force: true })
    }
  }
}
