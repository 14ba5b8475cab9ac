/**
 * The part of the demo in which an expert is called out and has all three bridges: a Guardian's room by H.323, a Guardian's browser, and video by NDI.
 * What is not installed is said, and left out.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { parse } from 'yaml'
import { createEndpoint } from '#h323/endpoint'
import { conferenceMedia } from '#h323/mcu'
import { newTraceId, silentLog } from '#kernel'
import { createMediaPlane, encodeWav, RtpPhone, sine } from '#media'
import { runtimeCandidates } from '#ndi'
import type { Baresip } from '#scripts/baresip/baresip.ts'
import { chromiumPath, fakeDevices, startChromium } from '#scripts/chromium.ts'
import type { Suite } from '#suite'

const roomPorts = [30_900, 30_919] as const
const roomToneHz = 1700
const browserToneHz = 900
/** A machine with much else to do takes its time. */
const patienceMs = 60_000
/** Name of the source that the demo puts on the air. */
export const source = 'Evidence of the demo'
/** Root needs no user namespace, which not every machine allows. */
const namespace = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net']
/** Why there is no video: sources are announced by multicast, so that it takes a network of its own. Null where there is. */
const noVideo = videoProblem()
export const hasVideo = noVideo === null

function videoProblem(): string | null {
  if (!runtimeCandidates(process.env).some((path) => existsSync(path))) return 'no NDI runtime: sh scripts/fetch-ndi.sh'
  const { status } = spawnSync('unshare', [...namespace, 'true'], { stdio: 'ignore' })
  return status === 0 ? null : 'no network namespace can be made here'
}

/** Runs the demo once more where there is loopback and nothing else. @returns its exit code; null where that is not needed, or cannot be */
export function runIsolated(script: string): number | null {
  if (!hasVideo || process.argv.includes('--isolated')) return null
  const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, script, '--isolated']
  return spawnSync('unshare', [...namespace, ...inside], { stdio: 'inherit' }).status ?? 1
}

export interface Room {
  /** Hears what the people in the room say, and says what they hear. */
  readonly phone: RtpPhone
  readonly endpoint: Awaited<ReturnType<typeof createEndpoint>>
  readonly close: () => Promise<void>
}

/** Where a call ends in the room. */
export const inRoom = { conference: 'room', participant: 'council', role: 'guardian' } as const

/** A Guardian's room system, registered with the suite's gatekeeper. */
export async function openRoom(suite: Suite, name: string): Promise<Room> {
  const { accounts } = parse(await readFile(suite.data.h323Accounts, 'utf8')) as {
    accounts: { name: string; password: string }[]
  }
  const user = accounts.find((account) => account.name === name)!
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: roomPorts, srtp: 'off', log: silentLog })
  const phone = await RtpPhone.open({ says: sine(8000, roomToneHz, -12, 16_000) })
  const { address, port } = suite.addresses.ras!
  const endpoint = await createEndpoint({
    aliases: [user.name],
    gatekeeper: { address: `${address}:${port}`, user },
    listen: { ip: '127.0.0.1', port: 0 },
    media: conferenceMedia(plane),
    guard: null,
    witness: null,
    log: silentLog
  })
  const close = async (): Promise<void> => {
    await endpoint.close()
    phone.close()
    await plane.close()
  }
  try {
    await endpoint.registered
    const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
    const here = await plane.join(context, { conference: 'room', participant: 'people', role: 'guardian', offer: phone.sdp() })
    if (!here.ok) throw new Error(here.reason)
    phone.talkTo(here.sdp)
    return { phone, endpoint, close }
  } catch (error) {
    await close()
    throw error
  }
}

export interface Stage {
  readonly suite: Suite
  readonly data: string
  readonly expert: Baresip
  /** Registry ids: who is called out, who sits in the room, who at the browser. */
  readonly who: { readonly expert: string; readonly room: string; readonly browser: string }
  /** Where the picture of the page is saved. */
  readonly picture: string
  readonly say: (line?: string) => void
  readonly title: (text: string) => void
  readonly check: (good: boolean, what: string) => void
  readonly ifctl: (...words: string[]) => Promise<number>
}

/** An AI system escalates: the suite calls an expert who did not dial in, and opens what belongs to the call. */
export async function escalateWithBridges(stage: Stage): Promise<void> {
  const { suite, data, expert, who, picture, say, title, check, ifctl } = stage
  title('The other way round: an AI system escalates, and the suite calls an expert, with all three bridges')
  const ends: (() => unknown)[] = []
  const bridge = (kind: string) => suite.escalator.list()[0]?.bridges.find((each) => each.bridge === kind)
  const becomes = async (kind: string, state: string, what: string) => {
    for (const deadline = Date.now() + patienceMs; bridge(kind)?.state !== state && Date.now() < deadline; ) await sleep(20)
    check(bridge(kind)?.state === state, what)
  }
  try {
    const room = await openRoom(suite, who.room)
    ends.push(room.close)
    room.endpoint.onCall((call) => void call.answer(inRoom))
    const page = await takeSeat(stage, ends)
    if (hasVideo) {
      const words = ['cli/ifctl.cjs', 'ndi', 'send', source, '--height', '480', '--rate', '15', '--seconds', '600']
      const sender = spawn(process.execPath, words, { stdio: 'ignore' })
      const ended = new Promise((resolve) => sender.once('exit', resolve))
      ends.push(() => sender.kill() && ended)
    } else say(`  no video: ${noVideo}`)
    const options = ['--expert', who.expert, '--sender', 'if://agent/monitor', ...(hasVideo ? ['--ndi-video'] : [])]
    const code = await ifctl('escalate', 'privacy', ...options, '--data', data)
    check(code === 0, `${who.expert} answered the phone and is in the council`)
    await becomes('h323', 'ACTIVE', `${who.room}'s room was called into the conference`)
    if (page !== null) await becomes('webrtc', 'ACTIVE', `${who.browser}'s page has a channel for evidence`)
    if (hasVideo) await becomes('ndi', 'ACTIVE', 'the source is seen in the conference')
    await ifctl('escalate', 'bridges', '--data', data)
    room.endpoint.calls()[0]!.release(41)
    await becomes('h323', 'DEGRADED', 'the line to the room breaks: the call is DEGRADED, and goes on')
    if (page !== null) {
      await page.locator('#escalations .impaired').waitFor({ timeout: 10_000 })
      await mkdir(dirname(picture), { recursive: true })
      await page.screenshot({ path: picture, fullPage: true })
      say(`  what the council sees of it: ${picture}`)
    }
    await becomes('h323', 'ACTIVE', 'the room is called again, and is back')
    await expert.hangup()
    await expert.next('CALL_CLOSED', 5000)
    const { id } = suite.escalator.list()[0]!
    const { bridges } = await suite.escalator.ended(id)
    check(
      bridges.every(({ state, skipped }) => state === 'CLOSED' || skipped !== null),
      'the expert hangs up: every bridge is closed'
    )
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

/** A Guardian's browser takes its seat. @returns null where there is no browser, or it does not connect */
async function takeSeat({ suite, who, say, check }: Stage, ends: (() => unknown)[]): Promise<Page | null> {
  if (chromiumPath === undefined) {
    say('  no browser: chromium is not installed')
    return null
  }
  const terms = { id: who.browser, conference: 'council', kind: 'person', mayVote: true, hazard: null } as const
  const { url } = suite.inside.webrtc!.council.invite(terms)!
  const home = await mkdtemp(join(tmpdir(), 'infrafabric-demo-browser-'))
  ends.push(() => rm(home, { recursive: true, force: true }))
  const tone = join(home, 'tone.wav')
  await writeFile(tone, encodeWav({ samples: sine(8000, browserToneHz, -12, 16_000), sampleRateHz: 8000 }))
  const browser = await startChromium(home, ...fakeDevices(tone))
  ends.push(() => browser.close())
  const page = await browser.newPage()
  // what cleans up microphones takes a steady tone for noise
  await page.addInitScript(`
    const { mediaDevices } = navigator
    const asked = mediaDevices.getUserMedia.bind(mediaDevices)
    mediaDevices.getUserMedia = ({ video }) =>
      asked({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video })
  `)
  await page.goto(url)
  await page.click('#join')
  const connected = page.getByText('Connected', { exact: true }).waitFor({ timeout: patienceMs })
  const isConnected = await connected.then(
    () => true,
    () => false
  )
  check(isConnected, `${who.browser} has a seat at the browser`)
  return isConnected ? page : null
}
