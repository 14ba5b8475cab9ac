/**
 * Browsers: how long a Guardian's page takes to join, and how late a tone made in Chromium is heard at a telephone, and one made by an agent.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { silentLog } from '#kernel'
import { RtpPhone, sine, toneLevel } from '#media'
import { chromiumPath, startChromium } from '#scripts/chromium.ts'
import { readCredentials, type Suite, startSuite } from '#suite'
import { joinCouncil } from '#webrtc/agent'
import { openPhone } from '../../../gateways/sip/testing/phone.ts'
import { type Metric, quantile } from '../report.ts'

const rounds = 10
const toneHz = 1000
const loudDbfs = -30

/** In the page: a microphone that is silent until `window.tone(true)`, which gives the wall clock at which the tone begins. */
const microphone = `
  let context, gain
  navigator.mediaDevices.getUserMedia = async () => {
    context = new AudioContext({ sampleRate: 48000, latencyHint: 0 })
    const source = new OscillatorNode(context, { frequency: ${toneHz} })
    gain = new GainNode(context, { gain: 0 })
    const out = new MediaStreamAudioDestinationNode(context)
    source.connect(gain).connect(out)
    source.start()
    return out.stream
  }
  window.tone = (on) => {
    gain.gain.setValueAtTime(on ? 0.3 : 0, context.currentTime)
    return performance.timeOrigin + performance.now()
  }
`

async function inviteTo(suite: Suite, id: string, kind: 'person' | 'agent'): Promise<string> {
  const seat = await suite.inside.webrtc!.invite({ id, conference: 'council', kind, mayVote: false, hazard: null })
  return seat!.url
}

async function joinTimes(browser: Browser, suite: Suite): Promise<{ readonly times: number[]; readonly page: Page }> {
  const times: number[] = []
  let last: Page | null = null
  for (let n = 0; n < rounds; n++) {
    await last?.close()
    const page = await browser.newPage()
    await page.addInitScript(microphone)
    await page.goto(await inviteTo(suite, 'guardian-1', 'person'))
    const took = await page.evaluate<number>(`new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error('not connected within 20 s')), 20000)
      const state = document.getElementById('state')
      new MutationObserver(() => state.textContent === 'Connected' && resolve(performance.now() - begun)).observe(state, { childList: true })
      const begun = performance.now()
      document.getElementById('join').click()
    })`)
    times.push(took)
    last = page
  }
  return { times, page: last! }
}

/** Listens as a telephone: resolves with the wall clock of the first packet in which the tone is loud, or is not. */
class Ear {
  #wanted: { readonly loud: boolean; readonly tell: (at: number) => void } | null = null

  readonly take = (samples: Int16Array): void => {
    const loud = toneLevel(samples, 8000, toneHz) > loudDbfs
    if (this.#wanted?.loud !== loud) return
    this.#wanted.tell(performance.timeOrigin + performance.now())
    this.#wanted = null
  }

  hears(loud: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${loud ? 'tone' : 'silence'} within 10 s`)), 10_000)
      this.#wanted = {
        loud,
        tell: (at) => {
          clearTimeout(timer)
          resolve(at)
        }
      }
    })
  }
}

async function delays(ear: Ear, tone: (on: boolean) => Promise<number>): Promise<number[]> {
  const found: number[] = []
  await tone(false)
  for (let n = 0; n < rounds; n++) {
    const loud = ear.hears(true)
    const began = await tone(true)
    found.push((await loud) - began)
    await new Promise((resolve) => setTimeout(resolve, 200 + 7 * n))
    const silent = ear.hears(false)
    await tone(false)
    await silent
    await new Promise((resolve) => setTimeout(resolve, 700))
  }
  return found
}

async function agentDelays(ear: Ear, suite: Suite): Promise<number[]> {
  const agent = await joinCouncil({ link: await inviteTo(suite, 'guardian-2', 'agent'), sound: true })
  const piece = sine(48_000, toneHz, -10, 960)
  let [on, over] = [false, false]
  const silence = new Int16Array(960)
  // 20 ms at a time and none ahead: what is switched on is what is said next
  const saying = agent.sound!.say(
    (async function* () {
      while (!over) {
        yield on ? piece : silence
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()
  )
  try {
    return await delays(ear, async (wanted) => {
      on = wanted
      return performance.timeOrigin + performance.now()
    })
  } finally {
    over = true
    await saying
    await agent.leave()
  }
}

/** Whether there is a browser to measure with. */
export const canMeasureWebRtc: boolean = chromiumPath !== undefined

/** Runs a suite, Chromium, a telephone and an agent. */
export async function measureWebRtc(): Promise<Metric[]> {
  const folder = await mkdtemp(join(tmpdir(), 'bench webrtc '))
  const suite = await startSuite(
    {
      data: join(folder, 'data'),
      listen: { tls: 0 },
      logLevel: 'silent',
      limits: { callsPerMinute: 100, requestsPer10s: 1000 },
      webrtc: { enabled: true, port: 0 }
    },
    { log: silentLog }
  )
  const ear = new Ear()
  const rtp = await RtpPhone.open({ keeps: false, onReceive: ear.take })
  const browser = await startChromium(folder)
  try {
    const { users } = await readCredentials(suite.data.credentials)
    const phone = await openPhone({
      uri: 'sip:expert-safety@external.advisor',
      digestUser: 'expert-safety',
      port: suite.addresses.tls!.port,
      ca: await readFile(suite.data.ca, 'utf8'),
      password: users['expert-safety']!.password!
    })
    const call = await phone.invite({ to: 'council-safety', sdp: rtp.sdp() })
    rtp.talkTo(call.response.body)
    const { times, page } = await joinTimes(browser, suite)
    const fromPage = await delays(ear, (on) => page.evaluate<number>(`window.tone(${on})`))
    await page.close()
    const fromAgent = await agentDelays(ear, suite)
    await call.bye()
    phone.close()
    const spread = (values: readonly number[]) => `${quantile(values, 0).toFixed(0)} to ${quantile(values, 1).toFixed(0)}`
    return [
      {
        metric: 'webrtc.join_ms',
        value: quantile(times, 0.5),
        unit: 'ms',
        note: `click to ICE and DTLS connected, with IF.guard and durable entries; median of ${rounds}, ${spread(times)}`
      },
      {
        metric: 'webrtc.audio_delay_ms',
        value: quantile(fromPage, 0.5),
        unit: 'ms',
        note: `tone made in Chromium to packet at a SIP phone, with its capture, Opus and the mix; median of ${rounds}, ${spread(fromPage)}`
      },
      {
        metric: 'webrtc.agent_audio_delay_ms',
        value: quantile(fromAgent, 0.5),
        unit: 'ms',
        note: `tone of an agent to packet at a SIP phone; median of ${rounds}, ${spread(fromAgent)}`
      }
    ]
  } finally {
    await browser.close()
    rtp.close()
    await suite.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
