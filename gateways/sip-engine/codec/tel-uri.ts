import { formatParameters, noParameters, type Parameters, parseParameters } from './text.ts'

/** A `tel:` URI. */
export interface TelUri {
  /** As written, with its visual separators; a global number begins with `+`. */
  readonly number: string
  readonly global: boolean
  readonly params: Parameters
}

const globalNumber = /^\+[\d\-.()]*\d[\d\-.()]*$/
const localNumber = /^[\dA-Fa-f*#\-.()]*[\dA-Fa-f*#][\dA-Fa-f*#\-.()]*$/
const extension = /^[\d\-.()]*\d[\d\-.()]*$/
const globalContext = /^\+[\d\-.()]*\d[\d\-.()]*$/
const domainContext = /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?$/
const separators = /[-.()]/g
const maxNumber = 256

/**
 * Reads a `tel:` URI.
 *
 * @returns undefined where the text is not one: a local number without `phone-context` is none.
 * @see RFC 3966 §3
 */
export function parseTelUri(text: string): TelUri | undefined {
  if (text.slice(0, 4).toLowerCase() !== 'tel:') return undefined
  const semicolon = text.indexOf(';')
  const number = semicolon < 0 ? text.slice(4) : text.slice(4, semicolon)
  if (number.length > maxNumber) return undefined
  const params = semicolon < 0 ? noParameters : parseParameters(text, semicolon)
  if (params === undefined) return undefined
  const global = number.startsWith('+')
  if (!(global ? globalNumber : localNumber).test(number)) return undefined
  const context = params.get('phone-context')
  if (context === undefined ? !global : !isContext(context)) return undefined
  const ext = params.get('ext')
  if (ext !== undefined && (ext === null || ext.length > maxNumber || !extension.test(ext))) return undefined
  return { number, global, params }
}

function isContext(context: string | null): boolean {
  if (context === null || context.length > maxNumber) return false
  return globalContext.test(context) || domainContext.test(context)
}

export function formatTelUri(uri: TelUri): string {
  return `tel:${uri.number}${formatParameters(uri.params)}`
}

/** A number without its visual separators: `+1-201-555-0123` becomes `+12015550123`. */
export function dialled(number: string): string {
  return number.replace(separators, '')
}

/**
 * Whether two URIs name one resource: numbers without separators, `ext` and `phone-context` too where it is a number; parameters in any
 * order and case.
 *
 * @see RFC 3966 §5
 */
export function sameTelUri(a: TelUri, b: TelUri): boolean {
  if (a.global !== b.global || a.params.size !== b.params.size) return false
  if (dialled(a.number).toLowerCase() !== dialled(b.number).toLowerCase()) return false
  for (const [name, value] of a.params) {
    const other = b.params.get(name)
    if (other === undefined || comparable(name, value) !== comparable(name, other)) return false
  }
  return true
}

function comparable(name: string, value: string | null): string | null {
  if (value === null) return null
  const number = name === 'ext' || (name === 'phone-context' && value.startsWith('+'))
  return (number ? dialled(value) : value).toLowerCase()
}
