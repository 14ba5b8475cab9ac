import { InfraFabricError } from '#kernel'

export interface RedisAddress {
  readonly form: 'server' | 'socket' | 'sentinel' | 'cluster'
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  /** Path of a Unix socket; empty otherwise. */
  readonly path: string
  /** Name by which the sentinels know the master; empty otherwise. */
  readonly master: string
  readonly db: number
  readonly tls: boolean
  readonly username: string | null
  readonly password: string | null
}

const pattern = /^(rediss?)(?:\+(unix|sentinel|cluster))?:\/\/(?:([^:@/]*):([^@/]*)@)?([^/?#]*)(\/[^?#]*)?$/

/**
 * Reads an address:
 *
 *     redis://[user:password@]host[:port][/db]         rediss:// is the same over TLS
 *     redis+unix://[user:password@]/path/of/socket
 *     redis+sentinel://[user:password@]host[:port][,…]/master
 *     redis+cluster://[user:password@]host[:port][,…]
 *
 * User and password are percent-encoded where they hold `:`, `@`, `/` or `%`.
 *
 * @throws {InfraFabricError} `ledger.store.address`; the message never shows the password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const wrong = (problem: string) => new InfraFabricError('ledger.store.address', `address of the Redis server: ${problem}`)
  const match = pattern.exec(url)
  if (match === null) throw wrong('expected redis://, rediss://, redis+unix://, redis+sentinel:// or redis+cluster://')
  const [, scheme, form = 'server', user = '', password = '', hosts = '', rest = ''] = match
  const plain = (text: string) => {
    try {
      return text === '' ? null : decodeURIComponent(text)
    } catch {
      throw wrong('user or password is not percent-encoded')
    }
  }
  const address = { tls: scheme === 'rediss', username: plain(user), password: plain(password), path: '', master: '', db: 0 }
  if (form === 'unix') {
    if (hosts !== '' || rest.length < 2 || address.tls) throw wrong('a socket is redis+unix:///path')
    return { ...address, form: 'socket', path: rest, nodes: [] }
  }
  const nodes = hosts.split(',').map((node) => {
    const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(node)
    const port = Number(found?.[3] ?? (form === 'sentinel' ? 26_379 : 6379))
    if (found === null || port < 1 || port > 65_535) throw wrong(`${JSON.stringify(node)} is no host and port`)
    return { host: (found[1] ?? found[2])!, port }
  })
  if (form === 'sentinel') {
    if (!/^\/[\w.-]+$/.test(rest))
      throw wrong('the name of the master comes behind the sentinels: redis+sentinel://host:port/master')
    return { ...address, form, nodes, master: rest.slice(1) }
  }
  if (form === 'cluster') {
    if (rest.length > 1) throw wrong('a cluster has no numbered databases')
    return { ...address, form, nodes }
  }
  if (nodes.length > 1) throw wrong('several hosts are redis+sentinel:// or redis+cluster://')
  if (!/^(\/\d{0,4})?$/.test(rest)) throw wrong('the database is a number')
  return { ...address, form: 'server', nodes, db: Number(rest.slice(1)) }
}

/** Where the server is, without credentials. */
export const placeOf = ({ form, nodes, path, master }: RedisAddress): string =>
  form === 'socket' ? path : nodes.map(({ host, port }) => `${host}:${port}`).join(',') + (master === '' ? '' : `/${master}`)
