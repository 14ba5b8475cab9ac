import { type Callee, type CallOutProgress, type CallOutRequest, manualClock, type RequestToSign, silentLog } from '#kernel'
import { runSipApplication } from '../application.ts'
import type { SipApplicationConfig } from '../config.ts'
import { fakeConference, memoryWitness, scriptedGuard } from './fake-ports.ts'
import { fakeServer } from './fake-server.ts'
import { settled } from './settled.ts'

/** Session description with which who is called answers. */
export const answer = 'v=0\r\ns=answer of the expert\r\n'

export const expert: Callee = {
  id: 'expert-safety',
  uri: 'sip:expert-safety@external.advisor',
  contact: 'sip:expert@192.0.2.7',
  specialisations: ['safety'],
  contrarian: false
}

/**
 * An application for calls out, with all that it talks to in memory.
 *
 * @param transferTo whom a caller may hand his call to; left out: nobody
 * @param takeUp whose calls are taken up again; left out: nobody's
 */
export async function startCallsOut(
  config: Partial<SipApplicationConfig> = {},
  transferTo?: (uri: string) => Callee | null,
  takeUp?: (uri: string) => Callee | null
) {
  const clock = manualClock()
  const witness = memoryWitness()
  const guard = scriptedGuard()
  const conference = fakeConference()
  const server = fakeServer()
  const signed: RequestToSign[] = []
  const application = await runSipApplication(
    {
      drachtio: { host: '127.0.0.1', port: 9022, secret: 'secret' },
      proxy: 'sip:127.0.0.1:5070;transport=udp',
      domain: 'council.example',
      ...config
    },
    {
      witness,
      guard,
      conference,
      log: silentLog,
      clock,
      ...(transferTo === undefined ? {} : { transferTo }),
      ...(takeUp === undefined ? {} : { takeUp }),
      sign: (request) => {
        signed.push(request)
        return 'v=1;kid=0123456789abcdef'
      }
    },
    server
  )
  const progress: CallOutProgress[] = []
  const place = (wish: Partial<CallOutRequest> = {}) =>
    application.callsOut.place(
      {
        callee: { ...expert, contact: 'sip:expert@192.0.2.7:5061;transport=tls' },
        hazard: 'safety',
        conference: 'council',
        role: 'expert',
        parentTraceId: 'case-42',
        ringTimeoutMs: 30_000,
        earlyMedia: 'ignored',
        offer: 'early',
        claim: () => true,
        ...wish
      },
      (each) => progress.push(each)
    )
  /** A call out whose INVITE is on its way. */
  const called = async (wish: Partial<CallOutRequest> = {}) => {
    const call = place(wish)
    await settled()
    return { call, invite: server.invites.at(-1)!, leg: conference.legs.at(-1)! }
  }
  return { application, clock, witness, guard, conference, server, signed, progress, place, called }
}
