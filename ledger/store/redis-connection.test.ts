import test from 'ava'
import { InfraFabricError } from '#kernel'
import { parseRedisUrl, placeOf } from './redis-address.ts'
import { keysOf, redisError } from './redis-connection.ts'

const plain = { path: '', master: '', db: 0, tls: false, username: null, password: null }

test('addresses of a server, a socket, sentinels, a cluster', (t) => {
  const nodes = [{ host: 'a.example', port: 6379 }]
  t.deepEqual(parseRedisUrl('redis://a.example'), { ...plain, form: 'server', nodes })
  t.deepEqual(parseRedisUrl('rediss://u:p%40%3A@a.example:7000/3'), {
    ...plain,
    form: 'server',
    nodes: [{ host: 'a.example', port: 7000 }],
    tls: true,
    username: 'u',
    password: 'p@:',
    db: 3
  })
  t.deepEqual(parseRedisUrl('redis://:secret@[2001:db8::1]:7000'), {
    ...plain,
    form: 'server',
    nodes: [{ host: '2001:db8::1', port: 7000 }],
    password: 'secret'
  })
  t.deepEqual(parseRedisUrl('redis+unix:///run/redis.sock'), { ...plain, form: 'socket', path: '/run/redis.sock', nodes: [] })
  t.deepEqual(parseRedisUrl('redis+sentinel://a.example,b.example:1/main'), {
    ...plain,
    form: 'sentinel',
    nodes: [
      { host: 'a.example', port: 26_379 },
      { host: 'b.example', port: 1 }
    ],
    master: 'main'
  })
  t.deepEqual(parseRedisUrl('rediss+cluster://a.example'), { ...plain, form: 'cluster', tls: true, nodes })
  t.is(placeOf(parseRedisUrl('redis+sentinel://u:geheim@a.example,b.example:1/main')), 'a.example:26379,b.example:1/main')
})

test('addresses that are none are refused by name, and no password is shown', (t) => {
  for (const url of [
    '',
    'http://a.example',
    'redis://',
    'redis://:geheim@a.example:0',
    'redis://:geheim@a.example:65536',
    'redis://:geheim@a.example,b.example',
    'redis://:geheim@a.example/main',
    'redis://:%zz-geheim@a.example',
    'redis+unix://a.example/run/redis.sock',
    'redis+unix://',
    'rediss+unix:///run/redis.sock',
    'redis+sentinel://:geheim@a.example',
    'redis+cluster://:geheim@a.example/3'
  ]) {
    const error = t.throws<InfraFabricError>(() => parseRedisUrl(url), { code: 'ledger.store.address' }, url)
    t.false(error?.message.includes('geheim'))
  }
})

test('all keys of a log are in one slot of a cluster, and logs do not share keys', (t) => {
  const keys = Object.values(keysOf('council.example/witness'))
  t.is(new Set(keys.map((key) => /\{([^{}]+)\}/.exec(key)?.[1])).size, 1)
  t.is(new Set(keys).size, keys.length)
  t.notDeepEqual(keys, Object.values(keysOf('other.example/witness')))
})

test('what the server says is told as a code', (t) => {
  const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })
  for (const [message, code] of [
    ["OOM command not allowed when used memory > 'maxmemory'.", 'ledger.store.full'],
    ['MISCONF Errors writing to the AOF file: No space left on device', 'ledger.store.io'],
    ['LOADING Redis is loading the dataset in memory', 'ledger.store.loading'],
    ['CLUSTERDOWN The cluster is down', 'ledger.store.unreachable'],
    ['BUSY Redis is busy running a script', 'ledger.store.busy'],
    ["READONLY You can't write against a read only replica.", 'ledger.store.read-only'],
    ['NOREPLICAS Not enough good replicas to write.', 'ledger.store.unreplicated'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'ledger.store.damaged'],
    ['NOAUTH Authentication required.', 'ledger.store.denied'],
    ['ERR something else', 'ledger.store.io']
  ] as const) {
    t.is(redisError(reply(message), 'a:1').code, code, message)
  }
  t.is(redisError(new Error('Command timed out'), 'a:1').code, 'ledger.store.unanswered')
  t.is(redisError(new Error('Connection is closed.'), 'a:1').code, 'ledger.store.unreachable')
  const givenUp = Object.assign(new Error('Refer to "maxRetriesPerRequest"'), { name: 'MaxRetriesPerRequestError' })
  t.is(redisError(givenUp, 'a:1').message, 'no connection to the Redis server (a:1): nobody answers there')
  const own = new InfraFabricError('ledger.store.version', 'old')
  t.is(redisError(own, 'a:1'), own)
})
