/** Motions: to be opened, voted on, and closed by who has opened them. */
import type { CouncilContext } from '../../context.ts'
import type { MotionView } from '../../motions.ts'
import type { PageSignal, ServiceSignal } from '../../signals.ts'
import type { VoteSigner } from '../../vote-signer.ts'
import { type Choice, choices } from '../../vote-text.ts'
import { element, make } from './dom.ts'

type Say = (signal: Extract<PageSignal, { type: 'motion' | 'vote' | 'close' }>) => void
type Seat = Pick<Extract<ServiceSignal, { type: 'answer' }>, 'conference' | 'party' | 'votes'>

const labels: Readonly<Record<Choice, string>> = { yes: 'Yes', no: 'No', abstain: 'Abstain' }

function counted({ open, votes, result: { yes, no, abstain, carried } }: MotionView): string {
  const outcome = open ? 'so far' : carried ? 'carried' : 'not carried'
  return `${yes} yes, ${no} no, ${abstain} abstain: ${votes.length === 0 && !open ? 'nobody has voted' : outcome}`
}

export class Votes {
  readonly #signer: VoteSigner
  readonly #say: Say
  #seat: Seat | null = null

  constructor(signer: VoteSigner, say: Say) {
    this.#signer = signer
    this.#say = say
    element<HTMLFormElement>('motion').onsubmit = (event) => {
      event.preventDefault()
      this.#open()
    }
  }

  sit(seat: Seat): void {
    this.#seat = seat
    element('motion').hidden = !seat.votes
  }

  show({ motions, calls, escalations }: CouncilContext): void {
    element('motions').replaceChildren(...motions.toReversed().map((motion) => this.#motion(motion)))
    const about = element<HTMLSelectElement>('motion-about')
    const chosen = about.value
    const traces = [
      ...escalations.map(({ traceId, hazard }) => [traceId, `escalation, ${hazard}`]),
      ...calls.map(({ traceId, expert }) => [traceId, `call, ${expert ?? 'unknown'}`])
    ]
    const options = traces.map(([value, label]) => make('option', { value: value! }, label!))
    about.replaceChildren(make('option', { value: '' }, 'nothing in particular'), ...options)
    about.value = traces.some(([trace]) => trace === chosen) ? chosen : ''
  }

  #open(): void {
    const title = element<HTMLInputElement>('motion-title')
    const about = element<HTMLSelectElement>('motion-about').value
    const minutes = element<HTMLInputElement>('motion-minutes').valueAsNumber
    if (title.value.trim() === '') return
    this.#say({
      type: 'motion',
      title: title.value.trim(),
      about: about === '' ? null : about,
      seconds: Math.round(60 * (minutes > 0 ? minutes : 5))
    })
    title.value = ''
  }

  #motion(motion: MotionView): HTMLElement {
    const { id, title, openedBy, open, closesAt, votes } = motion
    const item = make('li', { 'data-motion': id, class: open ? 'open' : 'closed' }, make('strong', {}, title))
    const until = new Date(closesAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    item.append(make('span', {}, `by ${openedBy}, ${open ? 'until' : 'closed at'} ${until}`))
    const mine = votes.find(({ party }) => party === this.#seat?.party)
    if (open && this.#seat?.votes) {
      const row = make('div', { class: 'choices' })
      for (const choice of choices) {
        const pressed = String(mine?.choice === choice)
        const button = make('button', { type: 'button', 'data-choice': choice, 'aria-pressed': pressed }, labels[choice])
        button.onclick = () => void this.#vote(motion, choice, (mine?.sequence ?? 0) + 1)
        row.append(button)
      }
      if (openedBy === this.#seat.party) {
        const button = make('button', { type: 'button', 'data-close': '' }, 'Close the vote')
        button.onclick = () => this.#say({ type: 'close', motion: id })
        row.append(button)
      }
      item.append(row)
    }
    item.append(make('p', { class: 'result' }, counted(motion)))
    if (votes.length > 0)
      item.append(make('p', { class: 'voters' }, votes.map(({ party, choice }) => `${party}: ${labels[choice]}`).join(', ')))
    return item
  }

  async #vote({ id, title }: MotionView, choice: Choice, sequence: number): Promise<void> {
    const { conference, party } = this.#seat!
    const signature = await this.#signer.sign({ motion: id, conference, party, sequence, choice, title })
    this.#say({ type: 'vote', motion: id, choice, sequence, signature })
  }
}
