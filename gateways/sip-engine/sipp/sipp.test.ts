import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#kernel'
import { failureText, runSipp, type SippOptions, startSipp } from '#sipp'
import type { EngineTimers } from '../common/timers.ts'
import { createSipServer } from '../sip-engine.ts'
import { connectSrf, type SrfDialog, type TestSrf } from '../testing/srf.ts'

/** SIPp as an independent peer of unmodified drachtio-srf applications, in both directions. */

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

const scenario = (name: string): string => fileURLToPath(new URL(`${name}.xml`, import.meta.url))

async function engineWith(t: ExecutionContext, setup: (srf: TestSrf) => void, timers: Partial<EngineTimers> = {}) {
  const engine = await createSipServer({
    listen: [
      { transport: 'udp', address: '127.0.0.1', port: 0 },
      { transport: 'tcp', address: '127.0.0.1', port: 0 }
    ],
    admin: { address: '127.0.0.1', port: 0, secret: 'cymru' },
    timers,
    log: silentLog
  })
  const { srf } = await connectSrf(engine.adminPort, setup)
  t.teardown(async () => {
    srf.disconnect()
    await engine.close()
  })
  const [udp, tcp] = engine.addresses
  return { engine, srf, udp: { host: '127.0.0.1', port: udp!.port }, tcp: { host: '127.0.0.1', port: tcp!.port } }
}

/** Runs SIPp as the caller; every call must go as the scenario says. */
async function callers(t: ExecutionContext, name: string, options: Omit<SippOptions, 'scenario'>): Promise<void> {
  const result = await runSipp({ timeoutMs: 60_000, ...options, scenario: scenario(name) })
  t.is(failureText(result), null)
}

/** Starts SIPp as the callee; every call must go as the scenario says. */
async function callee(t: ExecutionContext, name: string, calls = 1) {
  const process = await startSipp({ scenario: scenario(name), calls, timeoutMs: 60_000 })
  t.teardown(async () => void (await process.stop()))
  await process.ready
  const passed = async () => {
    const result = await process.result
    t.is(failureText(result), null)
  }
  return { uri: `sip:bob@127.0.0.1:${process.port}`, passed }
}

const answering = (srf: TestSrf): void =>
  srf.invite((request, response) => void srf.createUAS(request, response, { localSdp: sdp }).catch(() => undefined))

for (const transport of ['udp', 'tcp'] as const) {
  test.serial(`60 calls over ${transport}, none fails`, async (t) => {
    const { engine, ...at } = await engineWith(t, answering)
    await callers(t, 'uac', { target: at[transport], transport, calls: 60, rate: 60 })
    t.is(engine.stats().dialogs, 0)
    t.is(engine.stats().malformed, 0)
  })
}

test.serial('a TCP connection for each call', async (t) => {
  const { engine, tcp } = await engineWith(t, answering)
  await callers(t, 'uac', { target: tcp, transport: 'tcp', calls: 60, rate: 60, extra: ['-t', 'tn', '-max_socket', '200'] })
  t.is(engine.stats().dialogs, 0)
})

test.serial('an application calls, and hangs up', async (t) => {
  const { engine, srf } = await engineWith(t, () => undefined)
  const { uri, passed } = await callee(t, 'uas', 10)
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const dialog = await srf.createUAC(uri, { localSdp: sdp })
      await dialog.destroy()
    })
  )
  await passed()
  t.is(engine.stats().dialogs, 0)
})

test.serial('a late ACK, and a 200 that was lost: the 200 is repeated until the ACK', async (t) => {
  const { engine, udp } = await engineWith(t, answering)
  await Promise.all([
    callers(t, 'uac-late-ack', { target: udp, calls: 3 }),
    callers(t, 'uac-drop-one-200', { target: udp, calls: 3 })
  ])
  t.is(engine.stats().retransmissionsSent, 9)
  t.is(engine.stats().ackTimeouts, 0)
  t.is(engine.stats().dialogs, 0)
})

test.serial('no ACK at all: the engine hangs up and the application is told why', async (t) => {
  const reasons: unknown[] = []
  const { udp, engine } = await engineWith(
    t,
    (srf) =>
      srf.invite((request, response) => {
        void srf
          .createUAS(request, response, { localSdp: sdp })
          .then((dialog) => dialog.on('destroy', (_: unknown, reason: unknown) => void reasons.push(reason)))
      }),
    { t1Ms: 20 }
  )
  await callers(t, 'uac-no-ack', { target: udp })
  t.deepEqual(reasons, ['ACK timeout'])
  t.is(engine.stats().dialogs, 0)
})

test.serial('CANCEL while it rings: 200 and 487, and the application is told', async (t) => {
  let told = 0
  const { engine, udp } = await engineWith(t, (srf) =>
    srf.invite((request, response) => {
      request.on('cancel', () => void told++)
      response.send(180)
    })
  )
  await callers(t, 'uac-cancel', { target: udp, calls: 5 })
  t.is(told, 5)
  t.is(engine.stats().dialogs, 0)
})

test.serial('CANCEL that crosses the 200: the engine ends the call, and the application is told', async (t) => {
  const reasons: unknown[] = []
  const { engine, udp } = await engineWith(t, (srf) =>
    srf.invite((request, response) => {
      void srf
        .createUAS(request, response, { localSdp: sdp })
        .then((dialog) => dialog.on('destroy', (_: unknown, reason: unknown) => void reasons.push(reason)))
    })
  )
  await callers(t, 'uac-cancel-behind-200', { target: udp, calls: 3 })
  t.deepEqual(reasons, Array(3).fill('CANCEL after 200 OK'))
  t.is(engine.stats().dialogs, 0)
})

test.serial('a callee whose 200 crosses our CANCEL: acknowledged and ended', async (t) => {
  const { engine, srf } = await engineWith(t, () => undefined)
  const { uri, passed } = await callee(t, 'uas-answers-behind-cancel')
  const dialog = await new Promise<SrfDialog>((resolve, reject) => {
    let sent: { cancel: () => void } | undefined
    srf
      .createUAC(
        uri,
        { localSdp: sdp },
        {
          cbRequest: (_, request) => {
            sent = request
          },
          cbProvisional: () => sent?.cancel()
        }
      )
      .then(resolve, reject)
  })
  await new Promise((resolve) => dialog.once('destroy', resolve))
  await passed()
  t.is(engine.stats().dialogs, 0)
})

const reliably = (srf: TestSrf): void =>
  srf.invite((request, response) => {
    response.send(183, { headers: { Require: '100rel' }, body: sdp }, () => {
      void srf.createUAS(request, response, { localSdp: sdp }).catch(() => undefined)
    })
  })

test.serial('a PRACK that is lost: the 183 is repeated, and the 200 waits for it', async (t) => {
  const { engine, udp } = await engineWith(t, reliably)
  await callers(t, 'uac-lose-prack', { target: udp, calls: 2 })
  t.is(engine.stats().retransmissionsSent, 4)
  t.is(engine.stats().dialogs, 0)
})

test.serial('no PRACK at all: 504', async (t) => {
  const { engine, udp } = await engineWith(t, reliably, { t1Ms: 20 })
  await callers(t, 'uac-never-prack', { target: udp })
  t.is(engine.stats().dialogs, 0)
})

test.serial('glare: both re-INVITEs get 491, and the call goes on', async (t) => {
  const refused: unknown[] = []
  const { engine, udp } = await engineWith(t, (srf) =>
    srf.invite((request, response) => {
      void srf.createUAS(request, response, { localSdp: sdp }).then((dialog) => {
        dialog.once('ack', () => {
          dialog.modify(sdp).catch((error: { status?: number }) => void refused.push(error.status))
        })
      })
    })
  )
  await callers(t, 'uac-glare', { target: udp, calls: 3 })
  t.deepEqual(refused, [491, 491, 491])
  t.is(engine.stats().dialogs, 0)
})

test.serial('digest: the application answers the challenge of a callee that checks it', async (t) => {
  const { engine, srf } = await engineWith(t, () => undefined)
  const { uri, passed } = await callee(t, 'uas-challenges')
  const dialog = await srf.createUAC(uri, { localSdp: sdp, auth: { username: 'me', password: 'secret' } })
  await dialog.destroy()
  await passed()
  const wrong = await callee(t, 'uas-challenges')
  const error = await t.throwsAsync<Error & { status: number }>(
    srf.createUAC(wrong.uri, { localSdp: sdp, auth: { username: 'me', password: 'guess' } })
  )
  t.is(error.status, 403)
  await wrong.passed()
  t.is(engine.stats().dialogs, 0)
})

test.serial('two forks answer: the first has the call, the second is acknowledged and ended', async (t) => {
  const first = await callee(t, 'uas')
  const second = await callee(t, 'uas-forked-behind-cancel')
  const proxy = await engineWith(t, (srf) => {
    srf.invite((request) => {
      const each = srf as unknown as { proxyRequest: (request: unknown, to: string[], options: object) => void }
      each.proxyRequest(request, [first.uri, second.uri], { forking: 'simultaneous', remainInDialog: true })
    })
  })
  const { engine, srf } = await engineWith(t, () => undefined)
  const dialog = await srf.createUAC(`sip:bob@127.0.0.1:${proxy.udp.port}`, { localSdp: sdp })
  await second.passed()
  await dialog.destroy()
  await first.passed()
  t.is(engine.stats().dialogs, 0)
})
