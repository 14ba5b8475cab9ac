/** What the conference itself shows, by H.239. Gatekeeper, endpoints, MCU, media plane, stages and ffmpeg are the real ones; the terminals are our own: no room system was there. */
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { openSlides, type SlideShown } from '../../../media/media.ts'
import { difference, lastPictureOf, pointsOf, testStill } from '../../../media/testing/stills.ts'
import { startCouncil, until } from './testing/council.ts'
import { openScreen, picturesIn, screenCapabilities, watch } from './testing/screen.ts'
import { openTerminal } from './testing/terminal.ts'

async function scene(t: ExecutionContext) {
  const { stages, mcu, entriesOf, gatekeeper } = await startCouncil(t, { sound: [32_200, 32_239], pictures: [32_240, 32_319] })
  const shown: SlideShown[] = []
  const slides = openSlides({
    stages,
    conference: 'council',
    log: silentLog,
    onShown: (each) => shown.push(each),
    onPlayed: () => undefined,
    onFailed: (_, code) => t.fail(code)
  })
  t.teardown(slides.close)
  /** A terminal that takes content of a level, 0 for none, and answers who asks for the token. */
  const join = async (name: string, level: number, answers: boolean | null) => {
    const terminal = await openTerminal(t, {}, { aliases: [name], gatekeeper, capabilities: screenCapabilities(0, level) })
    const screen = await openScreen(t)
    const call = terminal.endpoint.dial('council', { conference: 'room', participant: 'me', role: 'guardian' })
    const watching = watch(call, { content: screen }, answers)
    await call.connected
    await until(() => mcu.conferences()[0]?.terminals.some(({ name: known }) => known === name) === true, `${name} is in`)
    const ask = () => watching.say({ type: 'presentationTokenRequest', terminalLabel: 0, channelId: 9, symmetryBreaking: 7 })
    return { call, screen, ask, ...watching }
  }
  const told = (event: string) => entriesOf(event).map(({ payload }) => payload)
  return { mcu, slides, shown, join, told }
}

test('each terminal that grants the token is shown the picture as it can take it; its reports confirm it', async (t) => {
  t.timeout(120_000)
  const { mcu, slides, shown, join, told } = await scene(t)
  t.is(mcu.show('nowhere'), null)
  const [tall, small] = [await join('tall', 85, true), await join('small', 29, true)]
  const [refusing, silent, deaf] = [
    await join('refusing', 71, false),
    await join('silent', 71, null),
    await join('deaf', 0, true)
  ]
  const still = testStill('png', 1600, 900)
  slides.show('picture', still)
  const showing = mcu.show('council')
  t.truthy(showing)
  t.is(mcu.show('council'), null, 'once at a time')
  await until(() => picturesIn(tall.screen) >= 4 && picturesIn(small.screen) >= 4, 'both see it')
  t.deepEqual(tall.heard, ['presentationTokenRequest', 'channel 32'])
  t.deepEqual(refusing.heard, ['presentationTokenRequest'])
  t.deepEqual(deaf.heard, [])
  for (const [{ screen }, width, height] of [
    [tall, 1920, 1080],
    [small, 352, 288]
  ] as const) {
    const seen = lastPictureOf(screen.packets)
    t.deepEqual([seen.width, seen.height], [width, height])
    t.true(difference(seen.pixels, pointsOf(still, width, height)) < 4)
  }
  tall.report()
  small.report()
  await until(() => shown.length === 2, 'both are confirmed')
  t.true(shown.every(({ id, isConfirmed }) => id === 'picture' && isConfirmed))
  t.deepEqual(shown.map(({ width, kbps }) => `${width} ${kbps}`).sort(), ['1920 1024', '352 128'])
  // who comes later is asked, too
  const late = await join('late', 71, true)
  await until(() => picturesIn(late.screen) >= 2, 'who comes later sees it')
  // flow control to nothing, and back
  small.restrict(100)
  await until(() => small.heard.includes('flowControlReleaseRequest'), 'it is asked for more')
  await sleep(300)
  small.screen.packets.length = 0
  await sleep(1500)
  t.is(small.screen.packets.length, 0, 'no picture is better than one that takes a minute')
  small.restrict(null)
  await until(() => picturesIn(small.screen) >= 2, 'and again')
  await until(() => told('h323_presentation_offered').length === 5, 'all answers are recorded')
  const answers = told('h323_presentation_offered').map(
    ({ participant, accepted }) => `${String(participant).split('-')[0]} ${accepted}`
  )
  t.deepEqual(answers.sort(), ['late true', 'refusing false', 'silent null', 'small true', 'tall true'])
  showing!.end()
  showing!.end()
  for (const { heard } of [tall, small, late])
    await until(
      () => heard.includes('closed') && heard.includes('presentationTokenRelease'),
      'the channel is closed, the token given back'
    )
  t.deepEqual(refusing.heard, ['presentationTokenRequest'])
  t.deepEqual(silent.heard, ['presentationTokenRequest'])
})

test('people come first: a terminal displaces what is shown; where there is a chair, only the chair does', async (t) => {
  t.timeout(120_000)
  const { mcu, slides, join, told } = await scene(t)
  const [one, two] = [await join('one', 71, true), await join('two', 71, true)]
  const [ends, frees]: [string[], string[]] = [[], []]
  mcu.onPresentationEnd((conference) => frees.push(conference))
  const show = () => {
    const showing = mcu.show('council')
    showing?.onEnd(() => ends.push('ended'))
    return showing
  }
  slides.show('picture', testStill('jpeg', 320, 240))
  t.truthy(show())
  await until(() => two.heard.includes('channel 32') && one.heard.includes('channel 32'), 'both are shown it')
  one.ask()
  await until(() => one.heard.includes('presentationTokenResponse true'), 'the terminal presents')
  t.deepEqual(ends, ['ended'])
  t.is(show(), null, 'and goes on until it ends')
  await until(
    () => two.heard.includes('presentationTokenIndicateOwner') && two.heard.includes('presentationTokenRelease'),
    'told'
  )
  t.false(one.heard.includes('presentationTokenRelease'), 'who has it now is not told that it is free')
  one.say({ type: 'presentationTokenRelease', terminalLabel: 0, channelId: 9 })
  await until(() => frees.length === 1, 'it is free')
  // the chair
  two.call.sendH245({ type: 'request', value: { type: 'conferenceRequest', value: { type: 'makeMeChair' } } })
  await until(() => mcu.conference('council').terminals.some(({ chair }) => chair), 'there is a chair')
  const opened = two.heard.filter((what) => what === 'channel 32').length
  t.truthy(show())
  await until(() => two.heard.filter((what) => what === 'channel 32').length > opened, 'shown again')
  one.ask()
  await until(() => one.heard.includes('presentationTokenResponse false'), 'not for anybody')
  two.ask()
  await until(() => two.heard.includes('presentationTokenResponse true'), 'the chair presents')
  t.is(ends.length, 2)
  two.call.release()
  await until(() => frees.length === 2, 'free with its end')
  t.truthy(show())
  one.call.release()
  await until(() => ends.length === 3, 'nobody is there')
  t.is(told('h323_presentation_ended').length, 2)
})
