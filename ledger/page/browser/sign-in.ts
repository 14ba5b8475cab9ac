/** Before anything is asked of a service: the auditor's token, and what the Guardians gave her. */
import { h, messageOf, shown } from './dom.ts'
import { checkTrust } from './memory.ts'
import { Malformed } from './note.ts'
import type { Trust } from './verdict.ts'

/** Key and policy as pasted; null for an empty key. @throws {Malformed} */
function pastedTrust(key: string, policy: string, seen: string | null): Trust | null {
  if (key.trim() === '') {
    if (policy.trim() !== '') throw new Malformed('A policy alone is not enough: paste the key of the log, too.')
    return null
  }
  return checkTrust({ key, policy: policy.trim() === '' ? null : policy, pinned: true, sinceMs: Date.now(), seen })
}

/** Fields for key and policy, and what they hold. */
export function trustFields(key = '', policy = '') {
  const keyField = h('textarea', { id: 'key', rows: 2, spellcheck: 'false', autocomplete: 'off', class: 'mono' }, key)
  const policyField = h('textarea', { id: 'policy', rows: 5, spellcheck: 'false', autocomplete: 'off', class: 'mono' }, policy)
  return {
    elements: [
      h('label', { for: 'key' }, 'Public key of the log, as the Guardians gave it to you'),
      keyField,
      h('label', { for: 'policy' }, 'Policy: which witnesses have to cosign (leave it empty if you were given none)'),
      policyField
    ],
    read: (seen: string | null) => pastedTrust(keyField.value, policyField.value, seen)
  }
}

/** @param onToken told the token, and key and policy where they were pasted */
export function signInView(
  known: Trust | null,
  problem: string | null,
  onToken: (token: string, trust: Trust | null) => void
): HTMLElement {
  const field = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, class: 'mono', maxlength: 256 })
  const alert = h('p', { class: 'fault', role: 'alert', hidden: problem === null }, shown(problem ?? ''))
  const fields = trustFields()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    try {
      onToken(field.value.trim(), fields.read(null))
    } catch (error) {
      alert.hidden = false
      alert.textContent = messageOf(error)
    }
  }
  return h(
    'form',
    { class: 'card sign-in', submit },
    h('h1', {}, 'Auditor’s page'),
    h(
      'p',
      {},
      'This page reads the log with your token, and checks every entry here, in your browser. It asks the service for octets, never for a verdict.'
    ),
    alert,
    h('label', { for: 'token' }, 'Token of an auditor'),
    field,
    h('p', { class: 'hint' }, 'Kept in this tab alone, until it is closed.'),
    known === null
      ? h(
          'details',
          { class: 'pin' },
          h('summary', {}, 'I was given the log’s public key'),
          h(
            'p',
            { class: 'hint' },
            'Without it, the key that the service shows is taken over unseen: you would notice a change from then on, but not that the very first was false.'
          ),
          ...fields.elements
        )
      : h(
          'p',
          { class: 'hint' },
          known.pinned
            ? 'This browser knows the key that you vouched for.'
            : 'This browser knows the key it saw first; nobody has vouched for it.'
        ),
    h('p', { class: 'buttons' }, h('button', { type: 'submit' }, 'Read and check the log'))
  )
}
