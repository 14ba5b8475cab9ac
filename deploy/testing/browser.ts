/** Chromium with a microphone that says a tone, for tests of the council's page. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Browser, chromium, type Page } from 'playwright-core'
import { encodeWav } from '#media'
import { temporaryFolder, tone } from './harness.ts'

/** Where Chromium is; undefined where it is not installed. */
export const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path)
)

/** A browser whose microphone says a tone over and over. */
export async function openBrowser(t: ExecutionContext, frequencyHz: number): Promise<Browser> {
  const home = await temporaryFolder(t)
  const file = join(home, 'tone.wav')
  await writeFile(file, encodeWav({ samples: tone(frequencyHz), sampleRateHz: 8000 }))
  const browser = await chromium.launch({
    executablePath: executablePath!,
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${file}`,
      // in a network namespace there is nothing else
      '--allow-loopback-in-peer-connection',
      '--autoplay-policy=no-user-gesture-required',
      // the edge of a test has the certificate of an authority of its own
      '--ignore-certificate-errors'
    ]
  })
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
