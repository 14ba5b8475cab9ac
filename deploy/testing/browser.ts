/** Chromium with a microphone that says a tone, for tests of the council's page. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Browser, Page } from 'playwright-core'
import { encodeWav } from '#media'
import { fakeDevices, startChromium } from '#scripts/chromium.ts'
import { temporaryFolder, tone } from './harness.ts'

/** A browser whose microphone says a tone over and over. */
export async function openBrowser(t: ExecutionContext, frequencyHz: number): Promise<Browser> {
  const home = await temporaryFolder(t)
  const file = join(home, 'tone.wav')
  await writeFile(file, encodeWav({ samples: tone(frequencyHz), sampleRateHz: 8000 }))
  const browser = await startChromium(
    home,
    ...fakeDevices(file),
    // the edge of a test has the certificate of an authority of its own
    '--ignore-certificate-errors'
  )
  t.teardown(() => browser.close())
  return browser
}

export interface OpenPage {
  readonly page: Page
  /** What went wrong on it. */
  readonly problems: string[]
}

/** A page in a browser of its own. */
export const openPage = async (t: ExecutionContext, url: string, frequencyHz: number): Promise<OpenPage> =>
  pageOf(await openBrowser(t, frequencyHz), url)

/** One more page of a browser. */
export async function pageOf(browser: Browser, url: string): Promise<OpenPage> {
  const page = await browser.newPage()
  // what cleans up microphones takes a steady tone for noise; and connections are kept, to be lost
  await page.addInitScript(`
    const { mediaDevices } = navigator
    const asked = mediaDevices.getUserMedia.bind(mediaDevices)
    mediaDevices.getUserMedia = ({ video }) =>
      asked({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video })
    const Original = WebSocket
    window.connections = []
    window.WebSocket = class extends Original {
      constructor(...given) {
        super(...given)
        window.connections.push(this)
      }
    }
  `)
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  await page.goto(url)
  return { page, problems }
}

/** How loud a page hears a tone: dB, about −30 for one that is clear. */
export const heardBy = (page: Page, frequencyHz: number): Promise<number> =>
  page.evaluate(`(() => {
    const sound = document.getElementById('sound')
    if (sound.srcObject === null) return -200
    if (window.ear?.of !== sound.srcObject) {
      const audio = new AudioContext({ sampleRate: 48000 })
      const analyser = audio.createAnalyser()
      analyser.fftSize = 8192
      analyser.smoothingTimeConstant = 0
      audio.createMediaStreamSource(sound.srcObject).connect(analyser)
      window.ear = { of: sound.srcObject, audio, analyser }
    }
    const { audio, analyser } = window.ear
    const bins = new Float32Array(analyser.frequencyBinCount)
    analyser.getFloatFrequencyData(bins)
    const at = Math.round(${frequencyHz} / (audio.sampleRate / analyser.fftSize))
    return Math.max(-200, ...bins.subarray(at - 2, at + 3))
  })()`)
