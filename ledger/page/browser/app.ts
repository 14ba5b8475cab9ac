/** The page: what is open, what is shown, and how one leads to the other. */
import { type Ask, AskError, startWorker } from './asking.ts'
import { costView } from './cost-view.ts'
import { h, messageOf, replace, shown } from './dom.ts'
import { entriesView } from './entries-view.ts'
import { entryView } from './entry-view.ts'
import { headsView } from './heads-view.ts'
import { type TrustMemory, token, trustMemory } from './memory.ts'
import { type Place, parsePlace, placeText, type ViewName } from './place.ts'
import type { Source } from './protocol.ts'
import { signInView } from './sign-in.ts'
import { traceView } from './trace-view.ts'
import { trustView } from './trust-view.ts'
import type { Report, Trust } from './verdict.ts'
import { createBanner } from './verdict-view.ts'

/** What a view is given. */
export interface Context {
  readonly ask: Ask
  readonly report: Report
  readonly trust: Trust
  readonly place: Place
  readonly go: (place: Place, replaceIt?: boolean) => void
  readonly openEntry: (index: number) => void
}

/** A view may want to know that the log has grown. */
export interface View {
  readonly element: HTMLElement
  readonly update?: (context: Context) => void
}

const titles: Readonly<Record<ViewName, string>> = {
  entries: 'Entries',
  trace: 'Trace',
  cost: 'Cost',
  checkpoints: 'Checkpoints',
  trust: 'Trust'
}
const pollMs = 10_000

interface Page {
  readonly kind: 'service' | 'file'
  readonly ask: Ask
  readonly memory: TrustMemory
}

const byId = (id: string): HTMLElement => document.getElementById(id)!

export function startPage(): void {
  const data = document.getElementById('data')
  if (data === null) {
    startService()
    return
  }
  const program = new Blob([byId('program').textContent ?? ''], { type: 'text/javascript' })
  const json = data.textContent ?? ''
  // the text is in the worker from here on
  data.remove()
  startFile(startWorker(URL.createObjectURL(program)), json)
}

function startFile(ask: Ask, json: string): void {
  const { origin, keys, policy } = firstFacts(json)
  const memory = trustMemory(origin)
  const trust = memory.get() ?? { key: keys[0] ?? '', policy, pinned: false, sinceMs: Date.now(), seen: null }
  void open({ kind: 'file', ask, memory }, { kind: 'file', json }, trust)
}

interface FirstFacts {
  readonly origin: string
  readonly keys: readonly string[]
  readonly policy: string | null
}

function firstFacts(json: string): FirstFacts {
  const { origin, keys, policy } = JSON.parse(json) as FirstFacts
  return { origin, keys, policy }
}

function startService(): void {
  const program = document.querySelector<HTMLScriptElement>('#program')!.src
  const ask = startWorker(program)
  const page: Page = { kind: 'service', ask, memory: trustMemory(null) }
  const known = token.get()
  if (known === null) signIn(page, null)
  else void openService(page, known)
}

function signIn(page: Page, problem: string | null): void {
  byId('banner').hidden = true
  byId('views').hidden = true
  replace(
    byId('content'),
    signInView(page.memory.get(), problem, (given, trust) => {
      token.set(given)
      if (trust !== null) page.memory.set(trust)
      void openService(page, given)
    })
  )
}

async function openService(page: Page, given: string): Promise<void> {
  let trust = page.memory.get()
  if (trust === null) {
    try {
      trust = await firstTrust(given)
    } catch (error) {
      token.clear()
      return signIn(page, messageOf(error))
    }
  }
  await open(page, { kind: 'service', token: given }, trust)
}

/** The keeper's word, where there is no other. */
export async function firstTrust(given: string): Promise<Trust> {
  const response = await fetch('/v1/keys', {
    headers: { authorization: `Bearer ${given}` },
    signal: AbortSignal.timeout(30_000)
  }).catch(() => null)
  if (response === null) throw new AskError('The service does not answer.', 0)
  if (response.status === 401) throw new AskError('The service does not know this token.', 401)
  if (response.status === 403) throw new AskError('This token is not for auditors.', 403)
  if (!response.ok) throw new AskError(`The service answered ${response.status}.`, response.status)
  const { key, policy } = (await response.json()) as { key: string; policy: string | null }
  return { key, policy, pinned: false, sinceMs: Date.now(), seen: null }
}

async function open(page: Page, source: Source, trusted: Trust): Promise<void> {
  const { ask, memory } = page
  let trust = trusted
  let report: Report | null = null
  let view: { readonly name: ViewName; readonly view: View } | null = null
  const banner = createBanner(() => void check('refresh'))
  byId('banner').hidden = false
  replace(byId('banner'), banner.element)
  replace(byId('content'), h('p', { class: 'waiting' }, 'Reading the log…'))

  const context = (): Context => ({
    ask,
    report: report!,
    trust,
    place: parsePlace(location.hash),
    go,
    openEntry: (index) => go({ ...parsePlace(location.hash), entry: index })
  })

  const go = (place: Place, replaceIt = false) => {
    const hash = placeText(place)
    if (hash === location.hash) return
    if (replaceIt) history.replaceState(null, '', hash)
    else {
      history.pushState(null, '', hash)
      show()
    }
  }

  const keep = (next: Trust) => {
    trust = next
    memory.set(next)
  }

  const reopen = (next: Trust | null) => {
    closed = true
    removeEventListener('hashchange', show)
    removeEventListener('popstate', show)
    if (next === null) memory.clear()
    else memory.set(next)
    if (page.kind === 'file') void open(page, source, next ?? { ...trusted, pinned: false, seen: null, sinceMs: Date.now() })
    else void openService(page, token.get() ?? '')
  }

  const viewOf = (name: ViewName): View => {
    switch (name) {
      case 'entries':
        return entriesView(context())
      case 'trace':
        return traceView(context())
      case 'cost':
        return costView(context())
      case 'checkpoints':
        return headsView(context())
      case 'trust':
        return trustView(context(), {
          kind: page.kind,
          change: reopen,
          signOut: () => {
            closed = true
            token.clear()
            location.reload()
          }
        })
    }
  }

  const show = () => {
    if (report === null || closed) return
    const place = parsePlace(location.hash)
    for (const link of byId('views').querySelectorAll('a'))
      if (link.dataset.view === place.view) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    if (view === null || view.name !== place.view || view.view.update === undefined) {
      view = { name: place.view, view: viewOf(place.view) }
      replace(byId('content'), view.view.element)
    } else view.view.update(context())
    document.title = `${titles[place.view]} · ${shown(report.origin)}`
    void showEntry(place)
  }

  const dialog = byId('entry') as HTMLDialogElement
  const showEntry = async (place: Place) => {
    if (place.entry === null) {
      if (dialog.open) dialog.close()
      return
    }
    const found = await ask('entry', { index: place.entry })
    if (parsePlace(location.hash).entry !== place.entry) return
    const close = () => go({ ...parsePlace(location.hash), entry: null })
    replace(
      dialog,
      h(
        'header',
        {},
        h('h2', {}, `Entry ${place.entry.toLocaleString('en')}`),
        h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close', click: close }, '✕')
      ),
      found === null
        ? h('p', {}, 'This page does not hold that entry.')
        : entryView(found, {
            trace: (id) => go({ view: 'trace', entry: null, params: { id } }),
            entry: (index) => go({ ...parsePlace(location.hash), entry: index })
          })
    )
    dialog.scrollTop = 0
    if (!dialog.open) dialog.showModal()
  }
  dialog.onclose = () => {
    const place = parsePlace(location.hash)
    if (!dialog.open && place.entry !== null) go({ ...place, entry: null })
  }
  dialog.onclick = (event) => {
    if (event.target === dialog) go({ ...parsePlace(location.hash), entry: null })
  }

  let closed = false
  let checking = false
  const check = async (question: 'open' | 'refresh') => {
    if (checking || closed) return
    checking = true
    banner.busy(true)
    try {
      const asked = question === 'open' ? ask('open', { source, trust }, banner.progress) : ask('refresh', null, banner.progress)
      report = await asked
      if (report.remember !== null && report.remember !== trust.seen) keep({ ...trust, seen: report.remember })
      banner.show(report)
      byId('views').hidden = false
      byId('origin').textContent = shown(report.origin)
      show()
    } catch (error) {
      if (error instanceof AskError && error.status === 401 && page.kind === 'service') {
        closed = true
        token.clear()
        return signIn(page, error.message)
      }
      banner.failed(messageOf(error))
      if (report === null) replace(byId('content'), h('p', { class: 'waiting' }, 'The log could not be read.'))
    } finally {
      checking = false
      banner.busy(false)
    }
  }

  addEventListener('hashchange', show)
  addEventListener('popstate', show)
  await check('open')
  if (page.kind === 'file') return
  const poll = async () => {
    if (closed) return
    if (!document.hidden && !checking && report !== null) {
      const response = await fetch('/checkpoint', { signal: AbortSignal.timeout(pollMs) }).catch(() => null)
      const note = response?.ok ? await response.text().catch(() => null) : null
      if (note !== null && note !== report.checkpoint) await check('refresh')
    }
    setTimeout(poll, pollMs)
  }
  setTimeout(poll, pollMs)
}
