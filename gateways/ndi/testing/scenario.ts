/**
 * What the tests do inside a network namespace of their own: `node scenario.ts NAME` does one thing with the independent peer and tells it as JSON.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { newTraceId, silentLog, systemClock } from '#kernel'
import { batchIn } from '#ledger'
import { createStreamCheck, framesPerAttestation } from '../attestation/attestation.ts'
import { openAttestedSender } from '../attestation/attested-sender.ts'
import { openFinder } from '../runtime/find.ts'
import { openReceiver } from '../runtime/receive.ts'
import { configureDiscovery, loadRuntime, type NdiRuntime } from '../runtime/runtime.ts'
import { openSender } from '../runtime/send.ts'
import { peer, type Told } from './peer.ts'
import { testPicture } from './picture.ts'

/** The runtime keeps source names apart by files in the temporary folder: a network namespace alone does not. */
const [peerName, suiteName] = [`Peer ${process.pid}`, `Suite ${process.pid}`]

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

async function sourceNamed(runtime: NdiRuntime, name: string) {
  const finder = openFinder(runtime, { extraAddresses: ['127.0.0.1'] })
  try {
    for (let tries = 0; tries < 60; tries++) {
      const found = (await finder.sources(250)).find((source) => source.name.includes(`(${name})`))
      if (found !== undefined) return found
    }
    throw new Error(`no source ${name}`)
  } finally {
    await finder.close()
  }
}

/** A discovery server that says nothing: whether the runtime asks it, which learns of it when it is loaded. */
async function discovery(): Promise<Told> {
  const asked = Promise.withResolvers<boolean>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined).destroy()
    asked.resolve(true)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await configureDiscovery(mkdtempSync(join(tmpdir(), 'ndi-config-')), `127.0.0.1:${port}`)
  const finder = openFinder(loadRuntime())
  const late = setTimeout(() => asked.resolve(false), 10_000)
  const wasAsked = await asked.promise
  clearTimeout(late)
  await finder.close()
  server.close()
  return { wasAsked }
}

const scenarios: Record<string, (runtime: NdiRuntime) => Promise<Told>> = {
  /** Another machine sends: found by multicast DNS alone. */
  mdns: async (runtime) => {
    const name = process.argv[3]!
    const finder = openFinder(runtime)
    for (const until = performance.now() + 30_000; performance.now() < until; ) {
      const found = (await finder.sources(250)).find((source) => source.name.includes(`(${name})`))
      if (found === undefined) continue
      await finder.close()
      const receiver = openReceiver(runtime, { source: found })
      let pictures = 0
      for (let tries = 0; tries < 100 && pictures < 5; tries++) if ((await receiver.capture(250))?.type === 'video') pictures++
      await receiver.close()
      return { found, pictures }
    }
    await finder.close()
    return { found: null }
  },

  /** The peer sends, we receive. */
  receive: async (runtime) => {
    const sender = peer('send', peerName, '60')
    await sender.told('sending')
    const source = await sourceNamed(runtime, peerName)
    const receiver = openReceiver(runtime, { source, name: 'suite' })
    const delay = monitorEventLoopDelay({ resolution: 1 })
    let video = 0
    let size: unknown = null
    let energy = 0
    let silent = 0
    let samples = 0
    const texts: string[] = []
    delay.enable()
    const deadline = performance.now() + 15_000
    while (performance.now() < deadline && video < 55) {
      const frame = await receiver.capture(250)
      if (frame?.type === 'video') {
        if (video === 0) {
          receiver.setTally(true, false)
          receiver.sendMetadata('<suite hello="peer"/>')
        }
        video++
        size = [frame.width, frame.height, frame.fourCC, frame.frameRate, frame.data.length]
      } else if (frame?.type === 'audio') {
        samples += frame.samples
        for (let at = 0; at < frame.samples; at++) {
          energy += frame.data[at]! ** 2
          silent = Math.max(silent, Math.abs(frame.data[frame.samples + at]!))
        }
      } else if (frame?.type === 'metadata') texts.push(frame.text)
    }
    delay.disable()
    const figures = receiver.figures()
    const sent = await sender.told('sent')
    await receiver.close()
    await receiver.close()
    await sender.ended
    return {
      source,
      video,
      size,
      samples,
      rms: Math.sqrt(energy / samples),
      silent,
      texts,
      figures,
      sent,
      loopDelayMs: delay.max / 1e6
    }
  },

  /** We send, the peer and a receiver of ours receive: they must see the same octets, though the codec changed them. */
  send: async (runtime) => {
    const sender = openSender(runtime, { name: suiteName, clockVideo: true, connectionMetadata: ['<suite version="1"/>'] })
    const receiving = peer('receive', suiteName, '40')
    const own = openReceiver(runtime, { source: await sourceNamed(runtime, suiteName) })
    for (let tries = 0; tries < 100 && (await sender.connections(200)) < 2; tries++);
    let done = false
    const ownHashes: Record<string, string> = {}
    const taking = (async () => {
      while (!done) {
        const frame = await own.capture(100)
        if (frame?.type === 'video') ownHashes[String(frame.timecode)] = sha256(frame.data)
      }
    })()
    const sentHashes: Record<string, string> = {}
    const told = receiving.told('received').then((facts) => {
      done = true
      return facts
    })
    let tally = { onProgram: false, onPreview: false }
    const sound = { sampleRateHz: 48_000, channels: 1, samples: 1600, data: new Float32Array(1600).fill(0.25) }
    for (let number = 0; number < 300 && !done; number++) {
      const frame = { ...testPicture(640, 360, number), timecode: BigInt(number) * 333_333n }
      sentHashes[String(frame.timecode)] = sha256(frame.data)
      await Promise.all([sender.video(frame), sender.audio(sound)])
      if (!tally.onProgram) tally = await sender.tally(0)
      if (number % 10 === 0) sender.metadata(`<suite frame="${number}"/>`)
    }
    const received = await told
    const answer = await sender.captureMetadata(500)
    await taking
    await own.close()
    await sender.close()
    await sender.close()
    await receiving.ended
    return {
      received,
      answer: answer?.text ?? null,
      tally,
      ownHashes,
      sentHashes,
      figures: { own: own.figures(), sender: sender.figures() }
    }
  },

  /** Who connects right behind a whole batch: it gets the last picture of that, and what attests it has gone out before. */
  joined: async (runtime) => {
    let attested = 0
    const sender = await openAttestedSender(runtime, {
      sender: { name: suiteName },
      witness: {
        record: async ({ event, payload }) => {
          if (event === 'ndi_batch_complete') attested += batchIn(payload)?.count ?? 0
          return { state: 'committed', index: 0, hash: '0'.repeat(64) }
        }
      },
      frames: { save: () => undefined },
      clock: systemClock,
      log: silentLog,
      traceId: newTraceId()
    })
    for (let number = 0; number < framesPerAttestation; number++) {
      await sender.video({ ...testPicture(640, 360, number), timecode: BigInt(number) * 333_333n })
      await new Promise((resolve) => setTimeout(resolve, 33))
    }
    for (const until = performance.now() + 10_000; attested < framesPerAttestation && performance.now() < until; )
      await new Promise((resolve) => setTimeout(resolve, 10))
    const receiver = openReceiver(runtime, { source: await sourceNamed(runtime, suiteName) })
    const check = createStreamCheck(() => true)
    const kinds: string[] = []
    for (const until = performance.now() + 10_000; kinds.length < 3 && performance.now() < until; ) {
      const frame = await receiver.capture(100)
      if (frame?.type === 'video') check.frame(frame)
      else if (frame?.type === 'metadata') check.metadata(frame.text)
      if (frame !== null) kinds.push(frame.type)
    }
    await receiver.close()
    await sender.close('done')
    const { unattested, ...verdict } = check.verdict()
    return { kinds: kinds.sort(), verdict: { ...verdict, unattested: unattested.map(String) } }
  },

  /** Frames by the receiver's clock. */
  sync: async (runtime) => {
    const sender = peer('send', peerName, '40')
    await sender.told('sending')
    const receiver = openReceiver(runtime, { source: await sourceNamed(runtime, peerName), color: 'bgra' })
    const sync = receiver.frameSync()
    let video = 0
    let fourCC = ''
    const samples = new Set<number>()
    for (let ticks = 0; ticks < 40; ticks++) {
      const frame = await sync.video()
      if (frame !== null) {
        video++
        fourCC = frame.fourCC
      }
      samples.add((await sync.audio(16_000, 1, 320)).samples)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const refused = await receiver.capture(1).catch((error: { code: string }) => error.code)
    const figures = receiver.figures()
    await receiver.close()
    await sender.ended
    return { video, fourCC, samples: [...samples], refused, figures }
  }
}

const name = process.argv[2] ?? ''
const scenario = name === 'discovery' ? discovery : scenarios[name]
if (scenario === undefined) throw new Error(`scenario: one of discovery, ${Object.keys(scenarios).join(', ')}`)
console.log(JSON.stringify(await (scenario === discovery ? discovery() : scenario(loadRuntime()))))
