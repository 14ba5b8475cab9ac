/** Pictures between terminals: who speaks is seen, what is presented is seen beside. Gatekeeper, endpoints, MCU, media plane and switch are the real ones. */
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Address, Call } from '../endpoint/endpoint.ts'
import { controlCapability, presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type { Capability } from '../h245/h245.ts'
import { contentVideo, h264Video } from './h264.ts'
import { type Camera, openCamera } from './testing/camera.ts'
import { startCouncil, until } from './testing/council.ts'
import { openTerminal, type Terminal, tone } from './testing/terminal.ts'

async function scene(t: ExecutionContext) {
  const { mcu, entriesOf, gatekeeper } = await startCouncil(t, { sound: [32_000, 32_059], pictures: [32_100, 32_199] })
  const receives = (video: ReturnType<typeof h264Video>): Capability => ({ type: 'receiveVideoCapability', value: video })
  /** A terminal with a camera; `level` 0 has no pictures at all. */
  const join = async (name: string, level: number, says?: Int16Array) => {
    const capabilities = level === 0 ? [] : [receives(h264Video(level)), receives(contentVideo(level)), controlCapability]
    const terminal = await openTerminal(t, says === undefined ? {} : { says }, { aliases: [name], gatekeeper, capabilities })
    const [camera, content] = [await openCamera(), await openCamera()]
    t.teardown(() => {
      camera.close()
      content.close()
    })
    const opened: number[] = []
    const call = terminal.endpoint.dial('council', { conference: 'room', participant: 'me', role: 'guardian' })
    call.onEvent((event) => terminal.events.push(event))
    call.onChannel(({ dataType, sessionId }) => {
      opened.push(sessionId)
      const at = dataType.type === 'videoData' && dataType.value.type === 'extendedVideoCapability' ? content : camera
      return { rtp: at.rtp, rtcp: at.rtcp }
    })
    await call.connected
    await until(() => mcu.conference('council').terminals.some(({ name: known }) => known === name), `${name} is in`)
    return { terminal, call, camera, content, opened, name }
  }
  return { mcu, join, entriesOf }
}

/** Opens a channel toward the MCU. @returns where it takes the pictures */
async function openTo(
  terminal: Terminal,
  call: Call,
  camera: Camera,
  kind: 'people' | 'content',
  payloadType: number
): Promise<{ to: Address; number: number }> {
  const value = kind === 'people' ? h264Video(71) : contentVideo(71)
  const number = call.openChannel({
    sessionId: kind === 'people' ? 2 : 0,
    dataType: { type: 'videoData', value },
    rtcp: camera.rtcp,
    dynamicPayloadType: payloadType
  })
  const found = () => terminal.events.findLast((event) => event.type === 'channelOpened' && event.own && event.number === number)
  await until(() => found() !== undefined, 'the MCU takes the channel')
  return { to: (found() as { rtp: Address }).rtp, number }
}

test('H.264 is switched to who speaks, for terminals that can take it, under the payload type of each channel', async (t) => {
  const { join, mcu } = await scene(t)
  const a = await join('room-a', 71)
  const b = await join('room-b', 71, tone(440))
  const viewer = await join('room-c', 85)
  const small = await join('room-d', 64)
  const deaf = await join('room-e', 0)
  for (const [{ terminal, call, camera }, letter, payloadType] of [
    [a, 'A', 96],
    [b, 'B', 109]
  ] as const) {
    const { to } = await openTo(terminal, call, camera, 'people', payloadType)
    camera.film(to, payloadType, letter)
  }
  await until(async () => {
    viewer.camera.takeSeen()
    await sleep(600)
    return viewer.camera.takeSeen() === 'B97'
  }, 'the viewer sees who speaks, and only him')
  b.camera.takeSeen()
  await sleep(500)
  t.is(b.camera.takeSeen(), 'A97', 'who speaks sees another')
  t.deepEqual(viewer.opened, [2])
  t.deepEqual(small.opened, [], 'a terminal of a lower level is sent nothing')
  t.deepEqual(deaf.opened, [])
  // the viewer chooses
  viewer.call.sendH245({
    type: 'command',
    value: { type: 'conferenceCommand', value: { type: 'sendThisSource', value: { mcuNumber: 0, terminalNumber: 1 } } }
  })
  await until(async () => {
    viewer.camera.takeSeen()
    await sleep(500)
    return viewer.camera.takeSeen() === 'A97'
  }, 'and sees whom it has chosen')
  a.call.release()
  await until(async () => {
    viewer.camera.takeSeen()
    await sleep(500)
    return viewer.camera.takeSeen() === 'B97'
  }, 'who has gone is not seen any more')
  t.is(mcu.conference('council').terminals.length, 4)
})

test('H.239: one presents at a time, the others see it beside, and no longer when the token is given back', async (t) => {
  const { join, entriesOf } = await scene(t)
  const [a, b] = [await join('room-a', 71), await join('room-b', 71)]
  const told = ({ terminal }: typeof a) =>
    terminal.events.flatMap((event) => {
      if (event.type !== 'h245' || event.message.type === 'unknownExtension' || !event.message.value.type.startsWith('generic'))
        return []
      const message = presentationMessageOf((event.message.value as { value: Parameters<typeof presentationMessageOf>[0] }).value)
      return message === undefined ? [] : [`${message.type}${'accepted' in message ? ` ${message.accepted}` : ''}`]
    })
  const ask = ({ call }: typeof a) =>
    call.sendH245(presentationMessage({ type: 'presentationTokenRequest', terminalLabel: 0, channelId: 1, symmetryBreaking: 7 }))
  ask(a)
  await until(() => told(a).includes('presentationTokenResponse true'), 'granted')
  await until(() => told(b).includes('presentationTokenIndicateOwner'), 'the other is told who presents')
  ask(b)
  await until(() => told(b).includes('presentationTokenResponse false'), 'one at a time')
  const { to } = await openTo(a.terminal, a.call, a.content, 'content', 100)
  a.content.film(to, 100, 'S')
  await until(() => b.opened.includes(32), 'a second channel is opened to the other')
  await until(async () => {
    await sleep(300)
    return b.content.takeSeen() === 'S98'
  }, 'the slides are seen')
  t.deepEqual(
    a.opened.filter((session) => session === 32),
    [],
    'and not sent back'
  )
  a.call.sendH245(presentationMessage({ type: 'presentationTokenRelease', terminalLabel: 0, channelId: 1 }))
  await until(() => entriesOf('h323_presentation_ended').length > 0, 'recorded')
  await sleep(500)
  b.content.takeSeen()
  await sleep(400)
  t.is(b.content.takeSeen(), '')
  ask(b)
  await until(() => told(b).includes('presentationTokenResponse true'), 'now the other may')
})
