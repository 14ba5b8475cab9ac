import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import koffi from 'koffi'
import type { Endpoint } from '../latch.ts'
import { type Libc, libc } from './libc.ts'
import { type NativeSocket, nativeUdp } from './native.ts'
import { nodeUdp } from './node.ts'
import { largestPacket, type UdpLayer, type UdpSocket } from './udp.ts'

/** Of both families, where this machine has them. */
const addresses = ['127.0.0.1', ...(networkInterfaces().lo?.some(({ address }) => address === '::1') === true ? ['::1'] : [])]
const library = libc()
/** Whether the kernel gives this machine a ring. */
function ringWorks(calls: Libc): boolean {
  const layer = nativeUdp(calls)
  layer.close()
  return layer.name === 'io_uring'
}

const natives = library === null ? [] : ringWorks(library) ? (['native', 'io_uring'] as const) : (['native'] as const)
const nativeNamed = (name: (typeof natives)[number], calls = library!) => nativeUdp(calls, name === 'io_uring')
const layers: Readonly<Record<string, () => UdpLayer>> = {
  node: nodeUdp,
  ...Object.fromEntries(natives.map((name) => [name, () => nativeNamed(name)]))
}

test('system calls of our own can be made on 64-bit Linux', (t) => {
  t.is(library !== null, process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch))
})

interface Heard {
  readonly text: string
  readonly source: Endpoint
  readonly arrivedMs: number
  readonly wallMs: number
}

/** Tests have their turns: a thread is given sixteen rings at most. */
async function scene(t: ExecutionContext, layer: UdpLayer, address = addresses[0]!) {
  const opened: UdpSocket[] = []
  t.teardown(() => {
    for (const socket of opened) socket.close()
    layer.close()
  })
  const open = async () => {
    const heard: Heard[] = []
    for (let port = 30_000 + (process.pid % 1000) * 4; ; port++) {
      const socket = await layer.open(address, port, (packet, source, arrivedMs, wallMs) =>
        heard.push({ text: packet.toString('latin1'), source, arrivedMs, wallMs })
      )
      if (socket === null) continue
      opened.push(socket)
      return { socket, heard }
    }
  }
  /** Reads until as much has come, for two seconds at most. */
  const until = async (heard: readonly unknown[], count: number) => {
    for (let n = 0; n < 200 && heard.length < count; n++) {
      layer.poll(10)
      if (heard.length < count) await sleep(10)
    }
    return heard.length
  }
  return { open, until }
}

for (const address of addresses)
  for (const [name, create] of Object.entries(layers)) {
    test.serial(
      `${name}, ${address}: packets arrive whole, in order, with their source; the buffer may be written at once`,
      async (t) => {
        const { open, until } = await scene(t, create(), address)
        const [a, b] = [await open(), await open()]
        const packet = Buffer.alloc(largestPacket)
        const to = { address, port: b.socket.port }
        for (let n = 0; n < 20; n++) {
          packet.write(`${String(n).padStart(3)}.`, 'latin1')
          t.true(a.socket.send(packet, 4 + n, to))
          packet.fill(0)
          if (n % 7 === 6) await sleep(1)
        }
        t.is(await until(b.heard, 20), 20)
        for (const [n, { text, source }] of b.heard.entries()) {
          t.is(text.length, 4 + n)
          t.is(text.slice(0, 4), `${String(n).padStart(3)}.`)
          t.deepEqual(source, { address, port: a.socket.port })
          t.is(source, b.heard[0]!.source, 'the same object')
        }
      }
    )

    test.serial(`${name}, ${address}: arrival is told on both clocks`, async (t) => {
      const { open, until } = await scene(t, create(), address)
      const [a, b] = [await open(), await open()]
      const beforeMs = performance.now()
      a.socket.send(Buffer.from('x'), 1, { address, port: b.socket.port })
      t.is(await until(b.heard, 1), 1)
      const { arrivedMs, wallMs } = b.heard[0]!
      t.true(arrivedMs >= beforeMs - 2 && arrivedMs <= performance.now())
      t.true(Math.abs(wallMs - performance.timeOrigin - arrivedMs) < 100)
    })

    test.serial(
      `${name}, ${address}: a port that is taken is not to be had; a closed socket sends nothing and closes once`,
      async (t) => {
        const layer = create()
        const { open } = await scene(t, layer, address)
        const { socket } = await open()
        t.is(await layer.open(address, socket.port, () => undefined), null)
        t.is(await layer.open(address === '::1' ? '2001:db8::1' : '192.0.2.1', socket.port, () => undefined), null)
        socket.close()
        socket.close()
        t.false(socket.send(Buffer.from('x'), 1, { address, port: 9 }))
      }
    )

    test.serial(`${name}, ${address}: hostile destinations and packets end nothing`, async (t) => {
      const { open, until } = await scene(t, create(), address)
      const [a, b] = [await open(), await open()]
      t.false(a.socket.send(Buffer.from('x'), 1, { address, port: 0 }))
      for (const nobody of ['255.255.255.255', '2001:db8::1', '::ffff:127.0.0.1'])
        a.socket.send(Buffer.from('x'), 1, { address: nobody, port: 9 })
      const outside = createSocket(address === '::1' ? 'udp6' : 'udp4')
      t.teardown(() => void outside.close())
      for (const octets of [0, 1, largestPacket, 9000]) outside.send(Buffer.alloc(octets, 'x'), b.socket.port, address)
      t.is(await until(b.heard, 4), 4)
      t.true(b.heard.every(({ text }) => text.length <= 9000))
      if (name !== 'node') t.is(b.heard[3]!.text.length, largestPacket, 'cut off')
    })
  }

const address = addresses[0]!

for (const name of natives) {
  test.serial(`${name}: the time told is that of the arrival, not of the reading`, async (t) => {
    const layer = nativeNamed(name)
    const { open, until } = await scene(t, layer)
    const [a, b] = [await open(), await open()]
    let waitedMs = 0
    // The kernel begins to take times some moments after the first socket has asked for them; before that it tells when it is read.
    for (let tried = 1; tried <= 10 && waitedMs < 90; tried++) {
      a.socket.send(Buffer.from('x'), 1, { address, port: b.socket.port })
      layer.flush()
      await sleep(100)
      t.is(await until(b.heard, tried), tried)
      waitedMs = performance.now() - b.heard.at(-1)!.arrivedMs
    }
    t.true(waitedMs >= 90)
  })

  test.serial(`${name}: a flood is read within the budget and what is left later`, async (t) => {
    const layer = nativeNamed(name)
    const { open } = await scene(t, layer)
    const [a, b] = [await open(), await open()]
    const to = { address, port: b.socket.port }
    const packet = Buffer.alloc(172)
    for (let n = 0; n < 200; n++) a.socket.send(packet, 172, to)
    layer.poll(0)
    const first = b.heard.length
    t.true(first > 0 && first < 200)
    layer.poll(1000)
    layer.poll(1000)
    t.is(b.heard.length, 200)
  })

  test.serial(`${name}: a socket closed by what it has received is not read on`, async (t) => {
    const layer = nativeNamed(name)
    const { open, until } = await scene(t, layer)
    const a = await open()
    const heard: number[] = []
    let victim: UdpSocket | null = null
    for (let port = 38_000 + (process.pid % 1000); victim === null; port++) {
      victim = await layer.open(address, port, (packet) => {
        heard.push(packet.length)
        victim!.close()
      })
    }
    for (let n = 1; n <= 20; n++) a.socket.send(Buffer.alloc(n), n, { address, port: victim.port })
    await until(heard, 1)
    layer.poll(10)
    layer.poll(10)
    t.deepEqual(heard, [1])
  })

  test.serial(`${name}: descriptors are closed exactly once, and none is left`, async (t) => {
    const { readdirSync } = await import('node:fs')
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    for (let round = 0; round < 3; round++) {
      const layer = nativeNamed(name)
      const sockets = (
        await Promise.all(
          Array.from({ length: 20 }, (_, n) => layer.open(address, 34_000 + (process.pid % 500) * 40 + n, () => undefined))
        )
      ).filter((socket) => socket !== null)
      t.true(sockets.length > 0)
      for (const socket of sockets) socket.close()
      layer.close()
      layer.close()
    }
    t.is(open(), before)
  })
}

for (const name of natives) {
  test.serial(
    `${name}: what the kernel will not take is told to who sent it, with what it gave, and to nobody else`,
    async (t) => {
      const layer = nativeNamed(name)
      const { open, until } = await scene(t, layer)
      const [a, b] = [await open(), await open()]
      const refused: [string, number][] = []
      const openTelling = async (name: string) => {
        for (let port = 44_000 + (process.pid % 1000); ; port++) {
          const socket = await layer.open(
            address,
            port,
            () => undefined,
            (payload) => refused.push([name, payload])
          )
          if (socket !== null) return socket
        }
      }
      const [one, other] = [await openTelling('one'), await openTelling('other')]
      t.teardown(() => {
        for (const socket of [one, other]) socket.close()
      })
      const packet = Buffer.alloc(172)
      const good = { address, port: b.socket.port }
      // of another family: the kernel says no, as it does where it has no room
      const bad = { address: '::1', port: b.socket.port }
      t.true(one.send(packet, 172, bad, 160))
      t.true(other.send(packet, 171, good, 159))
      t.true(one.send(packet, 170, bad))
      t.true(other.send(packet, 169, bad, 157))
      t.true(a.socket.send(packet, 168, bad, 156))
      layer.flush()
      t.deepEqual(refused, [
        ['one', 160],
        ['other', 157]
      ])
      t.is(await until(b.heard, 1), 1)
      t.is(b.heard[0]!.text.length, 171)
      t.false(one.send(Buffer.alloc(largestPacket + 1), largestPacket + 1, good, 1), 'longer than any packet')
    }
  )

  test.serial(
    `${name}: what is sent is gathered, leaves in its order when it is much or old, and before its socket closes or sends elsewhere`,
    async (t) => {
      const layer = nativeNamed(name)
      const sent: number[] = []
      const counting = nativeNamed(name, {
        ...library!,
        udpSend: (at, count) => {
          sent.push(count)
          return library!.udpSend(at, count)
        }
      })
      const { open: openThere, until } = await scene(t, layer)
      const { open } = await scene(t, counting)
      const [from, to, elsewhere] = [await open(), await openThere(), await openThere()]
      const target = { address, port: to.socket.port }
      const packet = Buffer.alloc(4)
      const send = (n: number) => {
        packet.write(String(n).padStart(4), 'latin1')
        return from.socket.send(packet, 4, target)
      }
      const { gathered } = library!.udpSizes
      const stop = performance.now() + 2000
      // as long as it takes until so many are gathered within half a millisecond
      let begun = 0
      for (; sent.at(-1) !== gathered && performance.now() < stop; begun++) send(begun)
      t.is(sent.at(-1), gathered)
      t.true(sent.every((count) => count <= gathered))
      sent.splice(0)

      send(begun++)
      await sleep(2)
      t.deepEqual(sent, [])
      send(begun++)
      t.deepEqual(sent, [2], 'the first was old')

      send(begun++)
      from.socket.send(packet, 4, { address, port: elsewhere.socket.port })
      t.deepEqual(sent, [2, 1], 'aimed anew')
      counting.poll(0)
      t.deepEqual(sent, [2, 1, 1])
      send(begun++)
      from.socket.close()
      t.deepEqual(sent, [2, 1, 1, 1])
      t.is(await until(to.heard, begun), begun)
      t.deepEqual(
        to.heard.map(({ text }) => Number(text)),
        Array.from({ length: begun }, (_, n) => n)
      )
      t.is(await until(elsewhere.heard, 1), 1)
    }
  )

  test.serial(
    `${name}: sockets have their turns together, more than are read at once, and each as if it were alone`,
    async (t) => {
      const layer = nativeNamed(name)
      const { open, until } = await scene(t, layer)
      const sender = await open()
      const receivers = await Promise.all(Array.from({ length: 2 * library!.udpSizes.together + 9 }, open))
      const sockets = receivers.map(({ socket }) => socket)
      const sendAll = (times = 1) => {
        for (const { port } of sockets)
          for (let n = 0; n < times; n++) sender.socket.send(Buffer.from(`${port}`), 5, { address, port })
        layer.flush()
      }
      const heard = () => receivers.map(({ heard }) => heard.length)
      for (let n = 1; n <= 10; n++) {
        sendAll()
        for (const one of receivers) t.is(await until(one.heard, n), n)
        layer.turn(sockets)
      }
      const all = (count: number) => receivers.map(() => count)
      sendAll()
      layer.poll(100)
      t.deepEqual(heard(), all(10), 'the kernel no longer tells of them')
      sockets[3]!.close()
      layer.turn(sockets)
      const less = (count: number) => receivers.map((_, n) => (n === 3 ? 10 : count))
      t.deepEqual(heard(), less(11))
      for (const [n, { socket, heard }] of receivers.entries())
        t.true(
          heard.every(({ text }) => text === `${socket.port}`),
          `${n}`
        )

      sendAll(9)
      layer.turn(sockets)
      t.deepEqual(heard(), less(19), 'eight each')
      layer.poll(1000)
      t.deepEqual(heard(), less(20), 'too much came: the kernel tells of them again')
    }
  )

  test.serial(
    `${name}: a socket that gets the place of one which was closed by a packet read with its own hears nothing of that`,
    async (t) => {
      const layer = nativeNamed(name)
      const { open } = await scene(t, layer)
      const sender = await open()
      let closed = 0
      const strange: string[] = []
      const opening: Promise<UdpSocket | null>[] = []
      const victims: UdpSocket[] = []
      for (let port = 46_000 + (process.pid % 1000); victims.length < 2; port++) {
        const victim = await layer.open(address, port, () => {
          // whoever is first closes both, and others are opened in their places
          closed++
          for (const socket of victims) socket.close()
          for (let n = 0; n < 2; n++)
            opening.push(layer.open(address, 48_000 + (process.pid % 1000) + n, (packet) => strange.push(packet.toString())))
        })
        if (victim !== null) victims.push(victim)
      }
      for (const { port } of victims) sender.socket.send(Buffer.from('x'), 1, { address, port })
      layer.poll(100)
      t.is(closed, 1)
      t.deepEqual(strange, [])
      for (const socket of await Promise.all(opening)) {
        t.not(socket, null)
        socket?.close()
      }
    }
  )
}

test.serial(
  'what leaves by a ring: more and less than it holds, closed sockets, and a ring that is no longer there',
  async (t) => {
    if (!natives.some((name) => name === 'io_uring')) {
      t.pass('the kernel gives no ring')
      return
    }
    let at = 0
    const layer = nativeUdp({
      ...library!,
      udpSend: (layerAt, count) => {
        at = layerAt
        return library!.udpSend(layerAt, count)
      }
    })
    t.is(layer.name, 'io_uring')
    const { open, until } = await scene(t, layer)
    const [one, other, listener] = [await open(), await open(), await open()]
    const to = { address, port: listener.socket.port }
    const say = (socket: UdpSocket, text: string) => t.true(socket.send(Buffer.from(text), text.length, to))
    const expected: string[] = []
    // so many that the ring has gone round more than once, in batches of every size
    for (let size = 1; size <= 40; size++) {
      for (let n = 0; n < size; n++) {
        expected.push(`${size}.${n}`)
        say(n % 2 === 0 ? one.socket : other.socket, `${size}.${n}`)
      }
      layer.flush()
      t.is(await until(listener.heard, expected.length), expected.length)
    }
    t.deepEqual(
      listener.heard.map(({ text }) => text),
      expected
    )

    say(other.socket, 'before it closes')
    other.socket.close()
    t.is(await until(listener.heard, expected.length + 1), expected.length + 1)

    // As if the kernel took no requests any more: another number of this thread, which is none.
    koffi.encode(BigInt(at + library!.udpSizes.ring), 'int32', 15)
    for (let n = 0; n < 3; n++) say(one.socket, `without ${n}`)
    layer.flush()
    t.is(await until(listener.heard, expected.length + 4), expected.length + 4)
    t.deepEqual(
      listener.heard.slice(-3).map(({ text }) => text),
      ['without 0', 'without 1', 'without 2']
    )
  }
)

test.serial('rings are given back; whoever gets none sends one by one', async (t) => {
  if (!natives.some((name) => name === 'io_uring')) {
    t.pass('the kernel gives no ring')
    return
  }
  const names: string[] = []
  for (let n = 0; n < 40; n++) {
    const layer = nativeUdp(library!)
    names.push(layer.name)
    layer.close()
  }
  t.deepEqual(new Set(names), new Set(['io_uring']))
  const layers = Array.from({ length: 20 }, () => nativeUdp(library!))
  t.is(layers[0]!.name, 'io_uring')
  const last = layers.at(-1)!
  t.is(last.name, 'native', 'a thread is given sixteen')
  const { open, until } = await scene(t, last)
  const [from, to] = [await open(), await open()]
  from.socket.send(Buffer.from('x'), 1, { address, port: to.socket.port })
  t.is(await until(to.heard, 1), 1)
  for (const layer of layers) layer.close()
})

/** A C library that fails where it is told to, and counts descriptors. */
function failing(fails: { -readonly [name in keyof Libc]?: number }) {
  const open = new Set<number>()
  const closed: number[] = []
  let next = 100
  const made = () => {
    open.add(next)
    return next++
  }
  const calls: Libc = {
    socket: () => fails.socket ?? made(),
    bind: () => fails.bind ?? 0,
    setsockopt: () => 0,
    epollCreate: () => fails.epollCreate ?? made(),
    epollControl: () => fails.epollControl ?? 0,
    clockGettime: () => 0,
    nanosleep: () => 0,
    close: (descriptor) => {
      closed.push(descriptor)
      open.delete(descriptor)
      return 0
    },
    address: () => 4096,
    udpSizes: library!.udpSizes,
    udpOpen: () => 0,
    udpClose: () => undefined,
    udpTurn: () => 0,
    udpRead: () => 0,
    udpSend: () => 0
  }
  return { calls, open, closed }
}

test('what cannot be opened is closed, once; a set of sockets that is not to be had is an error', async (t) => {
  for (const fails of [{ bind: -1 }, { epollControl: -1 }, { socket: -1 }]) {
    const { calls, open, closed } = failing(fails)
    const layer = nativeUdp(calls)
    t.is(await layer.open(address, 4000, () => undefined), null)
    layer.close()
    t.is(open.size, 0)
    t.is(new Set(closed).size, closed.length)
  }
  t.throws(() => nativeUdp(failing({ epollCreate: -1 }).calls), { code: 'media.udp.failed' })
})

for (const name of natives) {
  test.serial(
    `${name}: a reading that ran out of time goes on in the next, and no socket has to wait for another to be empty`,
    async (t) => {
      const layer = nativeNamed(name)
      const { open } = await scene(t, layer)
      const sender = await open()
      const receivers = [await open(), ...(await Promise.all(Array.from({ length: 39 }, open)))]
      const flooded = receivers[0]!
      const packet = Buffer.from('x')
      for (let n = 0; n < 200; n++) sender.socket.send(packet, 1, { address, port: flooded.socket.port })
      for (const { socket } of receivers.slice(1)) sender.socket.send(packet, 1, { address, port: socket.port })
      layer.poll(0)
      const read = () => receivers.reduce((sum, { heard }) => sum + heard.length, 0)
      t.true(read() > 0 && read() < 239, `${read()} read at once`)
      layer.poll(0)
      layer.poll(0)
      t.true(receivers.slice(1).every(({ heard }) => heard.length === 1))
      t.true(flooded.heard.length < 200)
      layer.poll(1000)
      t.is(flooded.heard.length, 200)
    }
  )

  test.serial(
    `${name}: a socket in which something comes each turn is read in its turn alone, until it is silent or too much comes`,
    async (t) => {
      const layer = nativeNamed(name)
      const { open } = await scene(t, layer)
      const [sender, receiver] = [await open(), await open()]
      const to = { address, port: receiver.socket.port }
      const send = () => sender.socket.send(Buffer.from('x'), 1, to)
      const heardBy = (read: () => void) => {
        const before = receiver.heard.length
        read()
        return receiver.heard.length - before
      }
      const poll = () => layer.poll(100)
      const turn = () => receiver.socket.turn()
      const learn = () => {
        for (let n = 0; n < 10; n++) {
          send()
          poll()
          t.is(heardBy(turn), 0)
        }
      }
      learn()
      send()
      t.is(heardBy(poll), 0)
      t.is(heardBy(turn), 1)
      const { arrivedMs, source } = receiver.heard.at(-1)!
      t.true(arrivedMs <= performance.now() && arrivedMs > performance.now() - 5000)
      t.deepEqual(source, { address, port: sender.socket.port })

      // nine turns of silence are a pause, ten are not: what comes then, and what came at the last moment, is told of again
      for (let n = 0; n < 9; n++) t.is(heardBy(turn), 0)
      send()
      t.is(heardBy(poll), 0)
      t.is(heardBy(turn), 1)
      for (let n = 0; n < 10; n++) turn()
      send()
      t.is(heardBy(poll), 1)

      learn()
      for (let n = 0; n < 30; n++) send()
      layer.flush()
      t.is(heardBy(turn), 8)
      t.true((receiver.socket as NativeSocket).watched, 'who reads it in turns alone would fall behind')
      t.is(heardBy(poll), 22)

      learn()
      receiver.socket.close()
      send()
      t.is(heardBy(turn), 0)
      t.is(heardBy(poll), 0)
    }
  )

  test.serial(
    `${name}: a socket that is closed while packets wait in it, or by the first of them, is read no further`,
    async (t) => {
      const layer = nativeNamed(name)
      const { open } = await scene(t, layer)
      const sender = await open()
      const packet = Buffer.from('x')
      const closed = await open()
      let heard = 0
      let socket: UdpSocket | null = null
      for (let port = 40_000 + (process.pid % 1000); socket === null; port++) {
        socket = await layer.open(address, port, () => {
          heard++
          socket!.close()
        })
      }
      const port = socket.port
      for (let n = 0; n < 300; n++) sender.socket.send(packet, 1, { address, port: closed.socket.port })
      for (let n = 0; n < 20; n++) sender.socket.send(packet, 1, { address, port })
      layer.poll(0)
      const read = closed.heard.length
      t.true(read > 0 && read < 300)
      closed.socket.close()
      layer.poll(100)
      t.is(heard, 1)
      t.is(closed.heard.length, read)
      // its number is given out again
      const next = await open()
      sender.socket.send(packet, 1, { address, port: next.socket.port })
      layer.poll(100)
      t.is(next.heard.length, 1)
    }
  )
}

const native = libc()
;(native === null ? test.skip : test)(
  'the wall clock set forward by hours: no packet seems to have waited for so long',
  async (t) => {
    let aheadS = 0
    const layer = nativeUdp({
      ...native!,
      clockGettime: (clock, at) => {
        const result = native!.clockGettime(clock, at)
        koffi.encode(BigInt(at), 'int64', BigInt(Math.floor(Date.now() / 1000) + aheadS))
        return result
      }
    })
    const { open, until } = await scene(t, layer)
    const [one, other] = [await open(), await open()]
    aheadS = 7200
    t.true(one.socket.send(Buffer.from('before it'), 9, { address: addresses[0]!, port: other.socket.port }))
    t.is(await until(other.heard, 1), 1)
    const { arrivedMs } = other.heard[0]!
    t.true(arrivedMs > performance.now() - 5000, `${performance.now() - arrivedMs} ms ago`)
  }
)
