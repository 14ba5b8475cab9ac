/** Terminals that several calls want at the same time. */
import test from 'ava'
import type { Invitation, InviteResult } from '#h323/mcu'
import { type CallBridge, type CallContext, manualClock, silentLog } from '#kernel'
import { callBridges } from '../escalation/call-bridges.ts'
import type { RunningH323 } from './h323.ts'

type Ended = Awaited<Invitation['ended']>

function start() {
  const clock = manualClock()
  const calls: { parentTraceId: string | undefined; answer: () => void; end: (cause: number) => void; isOver: () => boolean }[] =
    []
  const present = new Set<string>()
  const registered = ['room-1']
  const h323 = {
    guardians: () => registered,
    isPresent: (_conference, target) => present.has(target),
    isTerminal: (name) => registered.includes(name),
    invite: (_conference, target, parentTraceId) => {
      if (!registered.includes(target)) return null
      const answered = Promise.withResolvers<InviteResult>()
      const ended = Promise.withResolvers<Ended>()
      let isOver = false
      const end = (cause: number) => {
        if (isOver) return
        isOver = true
        present.delete(target)
        answered.resolve({ ok: false, cause, reason: null, traceId: '1' })
        ended.resolve({ cause, reason: null })
      }
      calls.push({
        parentTraceId,
        end,
        isOver: () => isOver,
        answer: () => {
          present.add(target)
          answered.resolve({ ok: true, participant: target, traceId: '1' })
        }
      })
      return { participant: target, traceId: '1', answered: answered.promise, ended: ended.promise, cancel: () => end(16) }
    }
  } satisfies Partial<RunningH323> as unknown as RunningH323
  const callBridgesOf = (terminals: 'registered' | string[]) =>
    callBridges(
      { terminals, retriesMs: [1000, 1000], operationMs: 10_000 },
      { h323: () => h323, webrtc: () => null, ndi: () => null, clock }
    )
  const bridges = (terminals: 'registered' | string[]) =>
    callBridgesOf(terminals).begin({ conference: 'council', ndiVideo: false })
  const open = (bridge: CallBridge, parentTraceId = 'case-42') => {
    const signal = new AbortController().signal
    const context: CallContext = { traceId: '2', parentTraceId, log: silentLog, signal, now: clock.now }
    return bridge.open(context, { conference: 'council', expertId: 'one' })
  }
  const openNow = (bridge: CallBridge) => {
    const opened = open(bridge)
    if (!opened.ok) throw new Error(opened.skipped)
    return opened.session
  }
  const { again } = callBridgesOf([])
  return { clock, calls, present, registered, bridges, again, open, openNow }
}

const settled = async () => {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('two experts of one conference share the call of a terminal: it ends with the last of them', async (t) => {
  const { clock, calls, openNow, bridges } = start()
  const plan = bridges('registered')
  const [bridge] = plan as [CallBridge]
  t.like(bridge, { name: 'h323', target: 'room-1' })
  const [first, second] = [openNow(bridge), openNow(bridge)]
  t.is(calls.length, 1)
  t.is(calls[0]!.parentTraceId, 'case-42')
  calls[0]!.answer()
  await settled()
  t.deepEqual([first.state(), second.state()], ['ACTIVE', 'ACTIVE'])
  const third = openNow(bridge)
  await settled()
  t.is(third.state(), 'ACTIVE', 'one that comes later has it at once')
  await first.close('over')
  await second.close('over')
  t.false(calls[0]!.isOver())
  await third.close('over')
  t.true(calls[0]!.isOver())
  t.is(clock.pending(), 0)
})

test('a call that is given up by one expert in time goes on for the other; a line that breaks is told to both, and called once', async (t) => {
  const { clock, calls, openNow, bridges } = start()
  const [bridge] = bridges(['room-1']) as [CallBridge]
  const first = openNow(bridge)
  clock.advance(5000)
  const second = openNow(bridge)
  clock.advance(5000)
  await settled()
  t.is(first.state(), 'DEGRADED')
  t.false(calls[0]!.isOver())
  calls[0]!.answer()
  await settled()
  t.is(second.state(), 'ACTIVE')
  clock.advance(1000)
  await settled()
  t.is(first.state(), 'ACTIVE')
  calls[0]!.end(41)
  await settled()
  t.deepEqual([first.state(), second.state()], ['DEGRADED', 'DEGRADED'])
  clock.advance(1000)
  await settled()
  t.is(calls.length, 2)
  await Promise.all([first.close('over'), second.close('over')])
  t.true(calls[1]!.isOver())
  t.is(clock.pending(), 0)
})

test('a terminal that is in the conference by a call of its own is left alone; one that nobody has registered is looked for again', async (t) => {
  const { clock, calls, present, registered, open, openNow, bridges } = start()
  present.add('room-1')
  t.like(open(bridges('registered')[0]!), { ok: false, skipped: 'h323.terminal.present' })
  t.is(calls.length, 0)
  registered.pop()
  t.like(open(bridges('registered')[0]!), { ok: false, skipped: 'h323.terminals.none' })
  present.clear()
  const session = openNow(bridges(['room-1'])[0]!)
  await settled()
  t.is(session.state(), 'DEGRADED')
  registered.push('room-1')
  clock.advance(1000)
  await settled()
  calls[0]!.answer()
  await settled()
  t.is(session.state(), 'ACTIVE')
  await session.close('over')
})

test('what a call had is opened again after a restart; a terminal is waited for until it has registered', async (t) => {
  const { clock, calls, registered, again, open, openNow } = start()
  registered.pop()
  const [room, page, video, none] = again([
    { bridge: 'h323', target: 'room-1' },
    { bridge: 'webrtc', target: null },
    { bridge: 'ndi', target: null },
    { bridge: 'smoke', target: null }
  ])
  t.is(none, undefined)
  t.like(open(page!), { ok: false, skipped: 'webrtc.off' })
  t.like(open(video!), { ok: false, skipped: 'ndi.off' })
  const [session, given] = [openNow(room!), openNow(room!)]
  clock.advance(300_000)
  await settled()
  t.is(session.state(), 'IDLE')
  t.is(calls.length, 0)
  await given.close('over')
  registered.push('room-1')
  clock.advance(1000)
  await settled()
  t.is(session.state(), 'CONNECTING')
  calls[0]!.answer()
  await settled()
  t.is(session.state(), 'ACTIVE')
  await session.close('over')
  t.is(calls.length, 1)
  t.is(clock.pending(), 0)
})
