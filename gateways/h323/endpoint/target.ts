/** Whom a call is for, as people write it and as messages carry it. */
import { InfraFabricError } from '#kernel'
import {
  type Address,
  addressOf,
  aliasOfKey,
  keyOfAlias,
  keyOfText,
  nameOfKey,
  plainIp,
  textOfAddress,
  transportAddressOf
} from '../gatekeeper/addresses.ts'
import type { AliasAddress } from '../h225/h225.ts'

export interface Target {
  readonly aliases: readonly AliasAddress[]
  /** Null where a gatekeeper has to know it. */
  readonly address: Address | null
}

const callSignallingPort = 1720
const mostCharacters = 256
const host = String.raw`(?<ip>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::(?<port>\d{1,5}))?`
/** `192.0.2.1`, `name@192.0.2.1:1720`, and `192.0.2.1##name`, as rooms are dialled from some terminals. */
const forms = [new RegExp(`^(?:(?<name>[^@]+)@)?${host}$`, 'i'), new RegExp(`^${host}##(?<name>.+)$`, 'i')]

const refuse = (reason: string): never => {
  throw new InfraFabricError('h323.endpoint.target', reason)
}

function aliasOf(text: string): AliasAddress {
  const alias = aliasOfKey(keyOfText(text))
  // a BMPString has no characters beyond the first plane, an IA5String none beyond 127
  if (/[\ud800-\udfff]/.test(text)) refuse('the target has characters that H.323 cannot carry')
  if (alias.type === 'url-ID' && !/^[\x20-\x7e]*$/.test(text)) refuse('a URL has ASCII characters only')
  return alias
}

/** @throws {InfraFabricError} `h323.endpoint.target` */
export function targetOf(text: string): Target {
  if (text === '' || text.length > mostCharacters) refuse('the target is empty or too long')
  for (const form of forms) {
    const found = form.exec(text)?.groups
    if (found === undefined) continue
    const ip = found.ip!.replace(/^\[(.*)\]$/, '$1')
    const port = Number(found.port ?? callSignallingPort)
    if (port < 1 || port > 65_535 || (!ip.includes(':') && ip.split('.').some((part) => Number(part) > 255))) {
      refuse('the target is no address')
    }
    return { aliases: found.name === undefined ? [] : [aliasOf(found.name)], address: { ip: plainIp(ip), port } }
  }
  return { aliases: [aliasOf(text)], address: null }
}

/** A target as a list of aliases, as H.450 carries it: an address among them is a transportID. */
export const aliasesOf = ({ aliases, address }: Target): AliasAddress[] =>
  address === null ? [...aliases] : [...aliases, { type: 'transportID', value: transportAddressOf(address) }]

/** The inverse of {@link aliasesOf}. */
export function targetOfAliases(list: readonly AliasAddress[]): Target {
  const transport = list.find((alias) => alias.type === 'transportID')
  return {
    aliases: list.filter(({ type }) => type !== 'transportID'),
    address: transport === undefined ? null : addressOf(transport.value)
  }
}

/** The first name among aliases; null where none is of a kind that is known here. */
export function nameOf(aliases: readonly AliasAddress[]): string | null {
  for (const alias of aliases) {
    const key = keyOfAlias(alias)
    if (key !== null) return nameOfKey(key)
  }
  return null
}

export const textOfTarget = ({ aliases, address }: Target): string =>
  nameOf(aliases) ?? (address === null ? '' : textOfAddress(address))
