/** The council's page: joins, shows who is there and who speaks, what it is about and what is voted on; mutes, raises the hand, presses keys. */
import type { RosterMember } from '../../ports.ts'
import type { ServiceSignal } from '../../signals.ts'
import { createVoteSigner } from '../../vote-signer.ts'
import { Connection, dial, type StartVoice } from './connection.ts'
import { showContext } from './context.ts'
import { element, make } from './dom.ts'
import { EvidenceClient } from './evidence.ts'
import type { StartSipCall } from './sip-call.ts'
import { Votes } from './votes.ts'
import { noticeText } from './words.ts'

const [enter, council, roster] = [element('enter'), element('council'), element('roster')]
const [join, mute, hand, leave] = (['join', 'mute', 'hand', 'leave'] as const).map((id) => element<HTMLButtonElement>(id))
const sound = element<HTMLAudioElement>('sound')
const picture = element<HTMLVideoElement>('picture')

let connection: Connection | null = null
let evidence: Promise<EvidenceClient> | null = null
let media: MediaStream | null = null
let participant = ''
let [muted, raised] = [false, false]
/** When a key was pressed last: what it has changed comes with the roster. */
let keyedMs = Number.NEGATIVE_INFINITY
const keyTakesMs = 2000

function say(text: string, wrong = false): void {
  const state = element('state')
  state.textContent = text
  state.classList.toggle('wrong', wrong)
}

function show(members: readonly RosterMember[]): void {
  roster.replaceChildren(
    ...members.map((member) => {
      const item = document.createElement('li')
      item.textContent = member.participant === participant ? `${member.participant} (you)` : member.participant
      item.dataset.participant = member.participant
      item.classList.toggle('speaking', member.speaking)
      item.classList.toggle('dominant', member.dominant)
      const marks = [
        member.kind === 'agent' ? `agent of a ${member.role}` : member.role,
        member.muted && 'muted',
        member.handRaised && 'hand raised',
        member.dominant && 'leads the talk'
      ]
      for (const mark of marks) {
        if (mark === false) continue
        const span = document.createElement('span')
        span.textContent = mark
        item.append(span)
      }
      return item
    })
  )
}

/** Buttons and microphone as they should be; the service is told again after it was lost. */
function settle(): void {
  mute!.setAttribute('aria-pressed', String(muted))
  hand!.setAttribute('aria-pressed', String(raised))
  for (const track of media?.getAudioTracks() ?? []) track.enabled = !muted
}

/** Keys mute and raise the hand, too. */
function follow(members: readonly RosterMember[]): void {
  const own = members.find((member) => member.participant === participant)
  if (own === undefined || performance.now() - keyedMs > keyTakesMs) return
  muted = own.mutedBySelf
  raised = own.handRaised
  settle()
}

function tell(): void {
  keyedMs = Number.NEGATIVE_INFINITY
  connection?.say({ type: 'mute', muted })
  connection?.say({ type: 'hand', raised })
}

/** The last messages, newest first; each is text, whatever it says. */
function showData({ from, to, body }: Extract<ServiceSignal, { type: 'data' }>): void {
  const messages = element('messages')
  const shown = body.length > 2000 ? `${body.slice(0, 2000)}…` : body
  messages.prepend(make('li', {}, make('strong', {}, `${from}${to === null ? '' : ' to you'}: `), shown))
  while (messages.childElementCount > 50) messages.lastElementChild!.remove()
}

/** The program that calls by SIP is large, and comes to those pages alone that do. */
async function loadSipCall(): Promise<StartSipCall> {
  const script = make('script', { src: document.body.dataset.sipCall! })
  const loaded = new Promise((resolve, reject) => {
    script.onload = resolve
    script.onerror = () => reject(new Error('the page is not there any more'))
  })
  document.head.append(script)
  await loaded
  return (globalThis as unknown as { startSipCall: StartSipCall }).startSipCall
}

const states = { connecting: 'Connecting …', connected: 'Connected', lost: 'Connection lost, trying again …' } as const

async function begin(): Promise<void> {
  const token = location.hash.slice(1)
  if (token === '') return say('This link has no seat. Ask for another one.', true)
  join!.disabled = true
  const bySip = new URLSearchParams(location.search).get('signalling') === 'sip'
  const [dialled, signing] = [dial(), createVoteSigner()]
  const sip = bySip ? loadSipCall() : null
  try {
    media = await navigator.mediaDevices.getUserMedia({ audio: true, video: element<HTMLInputElement>('camera').checked })
  } catch (error) {
    join!.disabled = false
    dialled.close()
    return say(`No microphone: ${error instanceof Error ? error.message : String(error)}`, true)
  }
  const signer = await signing
  const startSipCall = await sip
  const startVoice: StartVoice | null =
    startSipCall === null ? null : (terms, told) => startSipCall({ ...terms, password: token, media: media! }, told)
  const votes = new Votes(signer, (signal) => connection?.say(signal))
  enter.hidden = true
  council.hidden = false
  settle()
  connection = new Connection(token, signer.publicKey, media, startVoice, dialled, {
    state: (state) => {
      say(states[state], state === 'lost')
      // after the sound: one more handshake and a thread beside it would hold it up
      if (state !== 'connected') return
      evidence ??= EvidenceClient.begin(token)
      // who is heard by SIP is in the conference only now
      tell()
    },
    signal: (signal) => {
      if (signal.type === 'roster') {
        follow(signal.members)
        return show(signal.members)
      }
      if (signal.type === 'data') return showData(signal)
      if (signal.type === 'notice') return say(noticeText(signal.code), true)
      if (signal.type === 'context_update') {
        showContext(signal.context)
        return votes.show(signal.context)
      }
      votes.sit(signal)
      participant = signal.participant
      element('conference').textContent = signal.conference
      tell()
    },
    track: (track) => {
      const stream = new MediaStream([track])
      if (track.kind === 'audio') sound.srcObject = stream
      else {
        picture.srcObject = stream
        // a picture shows as soon as somebody has one
        picture.onresize = () => {
          picture.hidden = picture.videoWidth === 0
        }
      }
    },
    over: (reason) => {
      connection = null
      void evidence?.then((client) => client.end())
      evidence = null
      council.hidden = true
      enter.hidden = false
      join!.disabled = false
      say(reason, true)
    }
  })
}

join!.onclick = () => void begin()
mute!.onclick = () => {
  muted = !muted
  settle()
  tell()
}
hand!.onclick = () => {
  raised = !raised
  settle()
  tell()
}
for (const key of element('keys').querySelectorAll('button'))
  key.onclick = () => {
    keyedMs = performance.now()
    connection?.say({ type: 'key', digit: key.dataset.key! })
  }
leave!.onclick = () => {
  connection?.say({ type: 'leave' })
  connection?.end('You have left the conference.')
}

function share(files: FileList | null | undefined): void {
  // the list is emptied as soon as this returns
  const shared = [...(files ?? [])]
  void evidence?.then((client) => client.share(shared))
}
const [drop, chosen] = [element('evidence-drop'), element<HTMLInputElement>('evidence-files')]
chosen.onchange = () => {
  share(chosen.files)
  chosen.value = ''
}
drop.ondragover = (event) => event.preventDefault()
drop.ondrop = (event) => {
  event.preventDefault()
  share(event.dataTransfer?.files)
}
