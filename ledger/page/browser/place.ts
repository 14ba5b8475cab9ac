/** Where in the page one is: stands behind the `#`, so that a link leads there. */

export const viewNames = ['entries', 'trace', 'cost', 'checkpoints', 'trust'] as const
export type ViewName = (typeof viewNames)[number]

export interface Place {
  readonly view: ViewName
  /** Leaf number of the entry that is open over the view. */
  readonly entry: number | null
  readonly params: Readonly<Record<string, string>>
}

const longest = 2000

/** Any text gives a place: what it does not say is as at the start. */
export function parsePlace(hash: string): Place {
  const [name = '', query = ''] = hash.slice(0, longest).replace(/^#\/?/, '').split('?', 2)
  const params: Record<string, string> = {}
  for (const [key, value] of new URLSearchParams(query)) if (value !== '') params[key] = value
  const { entry, ...rest } = params
  return {
    view: viewNames.find((view) => view === name) ?? 'entries',
    entry: entry !== undefined && /^(?:0|[1-9]\d{0,14})$/.test(entry) ? Number(entry) : null,
    params: rest
  }
}

export function placeText({ view, entry, params }: Place): string {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== ''))
  if (entry !== null) query.set('entry', String(entry))
  const text = query.toString()
  return `#/${view}${text === '' ? '' : `?${text}`}`
}
