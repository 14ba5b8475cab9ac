/** Which key and policy are trusted, since when, and what this browser saw last. */
import type { Context, View } from './app.ts'
import { firstTrust } from './app.ts'
import { h, messageOf, replace, shown, told } from './dom.ts'
import { token } from './memory.ts'
import { parseCheckpoint } from './note.ts'
import { hex } from './octets.ts'
import { trustFields } from './sign-in.ts'
import type { Trust } from './verdict.ts'

export interface TrustActions {
  readonly kind: 'service' | 'file'
  /** Another trust, or none: the log is read anew. */
  readonly change: (trust: Trust | null) => void
  readonly signOut: () => void
}

export function trustView({ trust }: Context, { kind, change, signOut }: TrustActions): View {
  const seen = trust.seen === null ? null : parseCheckpoint(trust.seen)
  const alert = h('p', { class: 'fault', role: 'alert', hidden: true })
  const fields = trustFields()
  const say = (problem: string) => {
    alert.hidden = false
    alert.textContent = shown(problem)
  }
  const save = (event: SubmitEvent) => {
    event.preventDefault()
    try {
      const next = fields.read(trust.seen)
      if (next === null) return say('Paste the key of the log first.')
      change(next)
    } catch (error) {
      say(messageOf(error))
    }
  }
  const said = h('div', { class: 'said' })
  const askService = async () => {
    try {
      const now = await firstTrust(token.get() ?? '')
      const same = now.key === trust.key && (now.policy ?? '').trim() === (trust.policy ?? '').trim()
      replace(
        said,
        h(
          'p',
          { class: same ? 'good-text' : 'fault' },
          same ? 'The service says the same.' : 'The service says something else than what is trusted here:'
        ),
        same ? null : h('pre', { class: 'mono block' }, shown(now.key)),
        same ? null : h('pre', { class: 'mono block' }, shown(now.policy ?? 'no policy'))
      )
    } catch (error) {
      replace(said, h('p', { class: 'fault' }, messageOf(error)))
    }
  }
  const forget = () => {
    if (
      confirm(
        'Forget the key and the last checkpoint of this log? Then this browser can no longer tell whether the log was cut short, forked or given another key since.'
      )
    )
      change(null)
  }
  const element = h(
    'div',
    { class: 'trust' },
    h(
      'section',
      { class: 'card' },
      h('h2', {}, 'Key of the log'),
      h('pre', { class: 'mono block', id: 'trusted-key', tabindex: 0 }, shown(trust.key)),
      trust.pinned
        ? h('p', { class: 'good-text' }, `You vouched for it on ${new Date(trust.sinceMs).toISOString().slice(0, 10)}.`)
        : h(
            'div',
            { class: 'loud', role: 'note' },
            h(
              'p',
              {},
              h('strong', {}, 'Taken over on first use. '),
              `This key came from ${kind === 'file' ? 'the file itself' : 'the service itself'} on ${new Date(trust.sinceMs).toISOString().slice(0, 10)}. Whoever could show you a false log could show you a false key with it.`
            ),
            h('p', {}, 'Compare it, letter by letter, with the key that the Guardians gave you by another way.'),
            h(
              'p',
              { class: 'buttons' },
              h(
                'button',
                { type: 'button', click: () => change({ ...trust, pinned: true, sinceMs: Date.now() }) },
                'It is the same: I vouch for it'
              )
            )
          ),
      h('h3', {}, 'Policy'),
      trust.policy === null
        ? h('p', {}, 'None: no cosignatures are asked for.')
        : h('pre', { class: 'mono block', tabindex: 0 }, shown(trust.policy)),
      kind === 'service'
        ? h(
            'p',
            { class: 'buttons' },
            h('button', { type: 'button', class: 'quiet', click: () => void askService() }, 'What does the service say now?')
          )
        : null,
      said
    ),
    h(
      'section',
      { class: 'card' },
      h('h2', {}, 'What this browser saw last'),
      seen === null
        ? h('p', {}, 'Nothing yet.')
        : h(
            'dl',
            { class: 'entry-facts' },
            h('dt', {}, 'Log'),
            h('dd', {}, told(seen.origin)),
            h('dt', {}, 'Entries'),
            h('dd', {}, seen.size.toLocaleString('en')),
            h('dt', {}, 'Root'),
            h('dd', { class: 'mono' }, hex(seen.root))
          ),
      h('p', { class: 'hint' }, 'A log that is shorter, or tells another story up to here, is shown in red the next time.')
    ),
    h(
      'form',
      { class: 'card', submit: save },
      h('h2', {}, 'Another key or policy'),
      ...fields.elements,
      alert,
      h('p', { class: 'buttons' }, h('button', { type: 'submit' }, 'I vouch for these'))
    ),
    h(
      'section',
      { class: 'card' },
      h('h2', {}, 'This browser'),
      h(
        'p',
        { class: 'buttons' },
        kind === 'service' ? h('button', { type: 'button', class: 'quiet', click: signOut }, 'Put the token away') : null,
        h('button', { type: 'button', class: 'quiet danger', click: forget }, 'Forget what this browser saw')
      )
    )
  )
  return { element }
}
