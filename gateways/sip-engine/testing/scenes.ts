/** One engine in memory, with an application on one side and a peer on the other that the test plays both. */
import { type Bench, createBench } from './bench.ts'
import { createFakeApplication, type FakeApplication } from './fake-application.ts'
import type { PeerSocket } from './memory-network.ts'
import { headerOf, requestText, shape } from './sip-text.ts'

export interface Scene extends Bench {
  readonly peer: PeerSocket
  readonly app: FakeApplication
  /** What the peer received, as `180 INVITE` or `BYE`. */
  readonly shapes: () => string[]
  /** The latest message the peer received. */
  readonly last: () => string
  /** The peer sends; time moves on a little. */
  readonly say: (text: string, advanceMs?: number) => void
  /** The application sends a request and lets it arrive; the reply's fields from `OK` on. */
  readonly ask: (meta: string, sip: string) => readonly string[]
  /** Transaction id of the latest message shown to the application. */
  readonly shown: () => string
  /** The application answers, by default the latest request it was shown; all fields of the reply. */
  readonly answer: (status: number, extra?: string, transaction?: string) => readonly string[]
}

type SceneOptions = Parameters<typeof createBench>[0]

function scene(options: SceneOptions, address: string, port: number, verbs: readonly string[]): Scene {
  const bench = createBench(options)
  const peer = bench.network.peer(bench.at.transport, address, port)
  const app = createFakeApplication(bench.engine, verbs)
  const shown = (): string => app.delivered().at(-1)!.fields[8]!
  return {
    ...bench,
    peer,
    app,
    shown,
    shapes: () => peer.received.map(({ text }) => shape(text)),
    last: () => peer.received.at(-1)!.text,
    say: (text, advanceMs = 5) => {
      peer.send(text, bench.at)
      bench.clock.advance(advanceMs)
    },
    ask: (meta, sip) => {
      const reply = app.send(meta, sip)!
      bench.clock.advance(5)
      return reply.fields.slice(3)
    },
    answer: (status, extra = '', transaction = shown()) => {
      const reply = app.send(`sip|${transaction}|`, `SIP/2.0 ${status} Said\n${extra}Content-Length: 0\n\n`)!
      bench.clock.advance(5)
      return reply.fields
    }
  }
}

const everyVerb = ['invite', 'options', 'message', 'info', 'subscribe', 'notify']

/** The peer is the caller of `requestText`, at 10.0.0.9:5090. */
export function calledScene(options: SceneOptions = {}, verbs: readonly string[] = everyVerb): Scene {
  return scene(options, '10.0.0.9', 5090, verbs)
}

/** Dialog id of what `requestText` begins. */
export const calledDialog = 'call-1;from-tag=ft'

/** An INVITE of the peer, answered 200 and acknowledged; To of its later requests. */
export function establishCalled(s: Scene, inviteExtra: readonly string[] = [], answerExtra = ''): string {
  s.say(requestText({ method: 'INVITE', branch: 'i1', extra: inviteExtra }))
  s.answer(200, answerExtra)
  const to = headerOf(s.last(), 'To')!
  s.say(requestText({ method: 'ACK', branch: 'a1', to }))
  return to
}

/** The peer is the callee, at 10.0.0.2:5060. */
export function callingScene(options: SceneOptions = {}): Scene {
  return scene(options, '10.0.0.2', 5060, ['invite'])
}

/** An INVITE of the application with its transaction, dialog id, CSeq number and text as sent. */
export function callOut(s: Scene, extra = '', body = 'v=0\r\n') {
  const fields = s.ask('sip||', `INVITE sip:bob@10.0.0.2 SIP/2.0\n${extra}\n${body}`)
  const request = s.last()
  return {
    request,
    transaction: fields[7]!,
    cseq: Number(headerOf(request, 'CSeq')!.split(' ')[0]),
    dialog: `${headerOf(request, 'Call-ID')};from-tag=${/tag=(.*)$/.exec(headerOf(request, 'From')!)![1]}`
  }
}
