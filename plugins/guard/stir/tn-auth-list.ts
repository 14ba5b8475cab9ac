import { DecodeError } from '#kernel'
import { type DerElement, derElement, derElements, derEncode, derTag, explicitTag } from './der.ts'

/** For which numbers a certificate speaks. */
export interface TnAuthList {
  /** Codes of service providers: which numbers are theirs stands elsewhere. */
  readonly providers: readonly string[]
  /** `count` numbers beginning with `start`. */
  readonly ranges: readonly { readonly start: string; readonly count: number }[]
  readonly numbers: readonly string[]
}

const fail = (message: string): never => {
  throw new DecodeError('guard.identity.certificate', message, { path: 'certificate.TNAuthList', bitOffset: 0 })
}

const numberForm = /^[0-9#*]{1,15}$/
const providerForm = /^[\x21-\x7e]{1,32}$/
const mostEntries = 1_000

/**
 * Reads a TNAuthorizationList.
 *
 *     TNAuthorizationList ::= SEQUENCE SIZE (1..MAX) OF TNEntry
 *     TNEntry             ::= CHOICE { spc [0] IA5String, range [1] SEQUENCE { start IA5String, count INTEGER (2..MAX) }, one [2] IA5String }
 *
 * @throws {DecodeError} `guard.identity.certificate`
 * @see RFC 8226 §9; its module has explicit tags
 */
export function decodeTnAuthList(octets: Buffer): TnAuthList {
  const entries = derElements(derElement(octets, derTag.sequence))
  if (entries.length === 0 || entries.length > mostEntries) fail(`expected 1 to ${mostEntries} entries`)
  const providers: string[] = []
  const ranges: { start: string; count: number }[] = []
  const numbers: string[] = []
  for (const { tag, content } of entries) {
    if (tag === explicitTag(0)) providers.push(text(content, providerForm))
    else if (tag === explicitTag(1)) ranges.push(range(content))
    else if (tag === explicitTag(2)) numbers.push(text(content, numberForm))
    else fail('unknown kind of entry')
  }
  return { providers, ranges, numbers }
}

function text(octets: Buffer, form: RegExp): string {
  const value = derElement(octets, derTag.ia5String).toString('latin1')
  return form.test(value) ? value : fail('ill-formed entry')
}

function range(octets: Buffer): { start: string; count: number } {
  const [start, count, ...more] = derElements(derElement(octets, derTag.sequence)) as [DerElement?, DerElement?, ...DerElement[]]
  if (start?.tag !== derTag.ia5String || count?.tag !== derTag.integer || more.length > 0 || count.content.length > 6)
    return fail('ill-formed range')
  const first = start.content.toString('latin1')
  const size = count.content.length === 0 ? 0 : count.content.readIntBE(0, count.content.length)
  return numberForm.test(first) && size >= 2 ? { start: first, count: size } : fail('ill-formed range')
}

/** Mirror image of {@link decodeTnAuthList}. */
export function encodeTnAuthList({ providers, ranges, numbers }: TnAuthList): Buffer {
  const ia5 = (value: string): Buffer => derEncode(derTag.ia5String, Buffer.from(value, 'latin1'))
  const integer = (value: number): Buffer => {
    const octets = Buffer.alloc(6)
    octets.writeUIntBE(value, 0, 6)
    const start = octets.findIndex((octet, at) => at === 5 || octet !== 0)
    const from = octets[start]! >= 0x80 ? start - 1 : start
    return derEncode(derTag.integer, octets.subarray(from))
  }
  return derEncode(
    derTag.sequence,
    ...providers.map((code) => derEncode(explicitTag(0), ia5(code))),
    ...ranges.map(({ start, count }) => derEncode(explicitTag(1), derEncode(derTag.sequence, ia5(start), integer(count)))),
    ...numbers.map((number) => derEncode(explicitTag(2), ia5(number)))
  )
}

/** Whether the list speaks for a canonical number. A provider's code speaks for all: which numbers are the provider's is not in the certificate. */
export function speaksFor({ providers, ranges, numbers }: TnAuthList, number: string): boolean {
  if (providers.length > 0 || numbers.includes(number)) return true
  if (!/^\d+$/.test(number)) return false
  return ranges.some(({ start, count }) => {
    if (start.length !== number.length || !/^\d+$/.test(start)) return false
    const behind = BigInt(number) - BigInt(start)
    return behind >= 0n && behind < BigInt(count)
  })
}
