import type { BitString, Component, Type } from '../asn1/asn1.ts'
import type { Reading } from './pdml.ts'

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')

/** tshark spells some names in British English (`dialledDigits`), and has three of its own. */
const spelling = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replaceAll('ll', 'l')
    .replace(/^nonstandard(data|identifier)$/, 'nonstandard')
    .replace(/^releasecompletereason$/, 'reason')

/** `h225.h323_uu_pdu_element` → `h323uupdu`; numbers tell fields of one name apart. */
const nameOf = ({ name, label }: Reading): string[] => [
  spelling(
    name
      .replace(/^[^.]*\./, '')
      .replace(/_element$/, '')
      .replace(/_\d\d$/, '')
  ),
  spelling(label.split(':')[0]!)
]

/** tshark shows times as dates. */
const secondsOf = (show: string): string => (/ UTC$/.test(show) ? String(Date.parse(show.replace(/\.0+ /, ' ')) / 1000) : show)

/** Compares a value with tshark's reading of the same octets, item by item; everything that differs is told with its path. */
export class Comparison {
  readonly differences: string[] = []
  compared = 0

  private differ(path: string, what: string): undefined {
    this.differences.push(`${path}: ${what}`)
  }

  private equal(path: string, ours: string, theirs: string): undefined {
    this.compared++
    if (ours !== theirs) this.differ(path, `ours ${ours}, tshark's ${theirs}`)
  }

  /** @param name undefined for an element of a list, which tshark calls by its type */
  value(path: string, name: string | undefined, type: Type<unknown>, value: unknown, reading: Reading): undefined {
    if (name !== undefined) {
      const names = nameOf(reading)
      this.compared++
      if (!names.includes(spelling(name))) return this.differ(path, `tshark reads ${reading.name} (${reading.label})`)
    }
    const { shape } = type
    switch (shape.kind) {
      case 'lazy':
        return this.value(path, name, shape.resolve(), value, reading)
      case 'null':
        return
      case 'boolean':
        return this.equal(path, value ? '1' : '0', reading.show.replace('True', '1').replace('False', '0'))
      case 'integer':
        return this.equal(path, String(value), secondsOf(reading.show))
      case 'enumerated':
        return this.equal(path, String(value), /: (.*) \(\d+\)$/.exec(reading.label)?.[1] ?? reading.show)
      case 'objectIdentifier':
        return this.equal(path, value as string, reading.show)
      case 'octetString':
      case 'openType':
        return this.octets(path, value as Uint8Array, reading)
      case 'bitString': {
        const { bytes } = value as BitString
        return this.equal(path, hex(bytes), bytes.length === 0 ? '' : reading.show.replaceAll(':', ''))
      }
      case 'characterString':
        return this.text(path, shape.name, shape.alphabet !== undefined, value as string, reading)
      case 'sequence':
        return this.components(path, [...shape.components, ...(shape.additions ?? [])], value as Record<string, unknown>, reading)
      case 'choice': {
        const given = value as { readonly type: string; readonly value?: unknown }
        const alternatives = [...shape.alternatives, ...(shape.additions ?? [])]
        const index = alternatives.findIndex((candidate) => candidate.name === given.type)
        this.equal(path, String(index), reading.show)
        const inner = reading.children[0]
        const deeper = `${path}.${given.type}`
        if (inner === undefined) return this.differ(deeper, 'tshark reads nothing')
        return this.value(deeper, given.type, alternatives[index]!.type, given.value ?? null, inner)
      }
      case 'sequenceOf': {
        const list = value as readonly unknown[]
        this.equal(path, String(list.length), reading.show)
        const items = reading.children
        if (items.length !== list.length) return this.differ(path, `${list.length} elements, tshark reads ${items.length}`)
        for (const [i, element] of list.entries()) {
          const item = items[i]!.children[0]
          if (item === undefined) this.differ(`${path}[${i}]`, 'tshark reads nothing')
          else this.value(`${path}[${i}]`, undefined, shape.element, element, item)
        }
      }
    }
  }

  private octets(path: string, value: Uint8Array, reading: Reading): undefined {
    // Up to two octets of fixed size may lie across octet boundaries, where the octets read from are one more.
    this.equal(path, hex(value), reading.value.length === value.length * 2 ? reading.value : reading.show.replaceAll(/[:-]/g, ''))
  }

  private text(path: string, type: string, hasAlphabet: boolean, value: string, reading: Reading): undefined {
    if (type === 'BMPString') {
      // The octets read from: what is shown is made readable, and halves of surrogate pairs are lost in it.
      return this.equal(path, hex(Buffer.from(value, 'utf16le').swap16()), reading.value)
    }
    if (!hasAlphabet) return this.equal(path, hex(Buffer.from(value, 'latin1')), reading.value)
    this.equal(path, value, reading.show)
  }

  private components(
    path: string,
    components: readonly Component[],
    value: Readonly<Record<string, unknown>>,
    reading: Reading
  ): undefined {
    let at = 0
    for (const { name, type, defaultValue } of components) {
      const field = value[name]
      if (field === undefined || field === defaultValue) continue
      // tshark shows no item for a bit string without bits, nor for an open type it knows no type for.
      if (type.shape.kind === 'openType' || (type.shape.kind === 'bitString' && (field as BitString).length === 0)) continue
      const deeper = `${path}.${name}`
      // tshark adds items of its own: makers' names, readings of octets.
      while (at < reading.children.length && !nameOf(reading.children[at]!).includes(spelling(name))) at++
      const item = reading.children[at++]
      if (item === undefined)
        return this.differ(deeper, `tshark does not read it; it reads ${reading.children.map((child) => child.name).join(' ')}`)
      this.value(deeper, name, type, field, item)
    }
  }
}
