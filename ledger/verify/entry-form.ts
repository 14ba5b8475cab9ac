/** Whether octets are an entry: canonical JSON with the members of an entry, each once and each of its form. */
import { type Members, NotCanonical, readCanonicalObject } from './canonical.ts'
import { type EntryPlace, timeOrder } from './entry-octets.ts'

const name = /^"[A-Za-z][A-Za-z0-9_.:-]{0,127}"$/
const count = /^(?:0|[1-9]\d{0,15})$/
/** 1 to 128 printable ASCII characters as JSON writes them. */
const identifier = /^"(?:[!#-[\]-~]|\\["\\]){1,128}"$/

const forms: Readonly<Record<string, { readonly form: RegExp; readonly required: boolean }>> = {
  component: { form: name, required: true },
  cost: { form: /^"(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?"$/, required: false },
  event: { form: name, required: true },
  index: { form: count, required: true },
  model: { form: /^".+"$/s, required: false },
  parent_trace_id: { form: identifier, required: false },
  payload: { form: /^\{/, required: true },
  prev: { form: /^"[0-9a-f]{64}"$/, required: true },
  time: { form: /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"$/, required: true },
  tokens_in: { form: count, required: false },
  tokens_out: { form: count, required: false },
  trace_id: { form: identifier, required: true },
  v: { form: /^1$/, required: true }
}
const counts = ['index', 'tokens_in', 'tokens_out'] as const
/** Of the name of a model, in UTF-16 code units. */
const longestModel = 128
const required = Object.keys(forms).filter((member) => forms[member]!.required)

/**
 * Checks the whole entry in `data` from `start` to `end`, and fills `place` from what it read.
 *
 * @returns what is wrong; null when nothing is
 */
export function checkEntry(data: Uint8Array, start: number, end: number, place: EntryPlace): string | null {
  let members: Members
  try {
    members = readCanonicalObject(data, start, end)
  } catch (error) {
    if (error instanceof NotCanonical) return error.message
    throw error
  }
  const text = (member: string): string => {
    const [from, to] = members.get(member)!
    return Buffer.from(data.buffer, data.byteOffset + from, to - from).toString('utf8')
  }
  for (const member of members.keys()) {
    const known = Object.hasOwn(forms, member) ? forms[member] : undefined
    if (known === undefined) return `a member that no entry has: ${JSON.stringify(member.slice(0, 40))}`
    if (member === 'payload' ? data[members.get(member)![0]] !== 0x7b : !known.form.test(text(member)))
      return `${member} is not of its form`
  }
  for (const member of required) if (!members.has(member)) return `${member} is missing`
  for (const member of counts)
    if (members.has(member) && !Number.isSafeInteger(Number(text(member)))) return `${member} is not of its form`
  if (members.has('model') && (JSON.parse(text('model')) as string).length > longestModel) return 'model is not of its form'
  place.index = Number(text('index'))
  place.prevAt = members.get('prev')![0] + 1
  const time = text('time').slice(1, -1)
  const milliseconds = Date.parse(time)
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== time) return 'time is no time'
  const [componentAt, componentEnd] = members.get('component')!
  place.componentAt = componentAt + 1
  place.componentEnd = componentEnd - 1
  const [eventAt, eventEnd] = members.get('event')!
  place.eventAt = eventAt + 1
  place.eventEnd = eventEnd - 1
  place.order = timeOrder(data, members.get('time')![0] + 1)
  return null
}
