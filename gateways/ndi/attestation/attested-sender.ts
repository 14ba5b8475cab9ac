import { errorCode, InfraFabricError, type JsonObject } from '#kernel'
import { openFinder } from '../runtime/find.ts'
import { openReceiver } from '../runtime/receive.ts'
import type { NdiRuntime } from '../runtime/runtime.ts'
import { openSender, type Sender, type SenderConfig } from '../runtime/send.ts'
import { recordStream, type StreamRecordConfig } from './stream-record.ts'

export interface AttestedSenderConfig extends Omit<StreamRecordConfig, 'source' | 'tell'> {
  readonly sender: SenderConfig
  /** Facts that go out on the stream to everybody who connects, and into the ledger: `X-IF-Trace-ID`, `X-IF-Expert-ID`. Values without XML. */
  readonly facts?: Readonly<Record<string, string>>
}

export interface AttestedSender extends Pick<Sender, 'sourceName' | 'video' | 'audio' | 'connections' | 'tally' | 'figures'> {
  /** Ends the stream, once the last frames are recorded and their attestation is sent. Idempotent. */
  readonly close: (reason: string) => Promise<void>
}

const findWithinMs = 10_000
const captureMs = 100
/** Time in which the last frames come back to the publisher's own receiver. */
const lastFramesWithinMs = 5000
/** Time in which the last attestation goes out. */
const lastAttestationMs = 300

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

/**
 * A source whose frames the ledger vouches for. It receives its own stream, since only a receiver knows what receivers see.
 *
 * @throws {InfraFabricError} `ndi.send`, `ndi.receive`, `ndi.source.absent` when it does not see itself
 */
export async function openAttestedSender(runtime: NdiRuntime, config: AttestedSenderConfig): Promise<AttestedSender> {
  const facts: JsonObject = { 'X-IF-Trace-ID': config.traceId, ...config.facts }
  const attributes = Object.entries(facts).map(([name, value]) => ` ${name.toLowerCase()}="${escaped(String(value))}"`)
  const stream = `<if_stream${attributes.join('')}/>`
  const sender = openSender(runtime, { ...config.sender, connectionMetadata: [stream] })
  const source = await ownSource(runtime, sender).catch(async (error) => {
    await sender.close()
    throw error
  })
  const receiver = openReceiver(runtime, { source, name: 'attestation' })
  await sender.connections(findWithinMs)
  // the runtime repeats its last picture to who connects, and what attests that may have gone out before
  const tell = (xml: string) => sender.connectionMetadata([stream, xml])
  const record = recordStream({ ...config, source: sender.sourceName, tell })
  record.metadata(facts)
  let seen = 0
  let lost = false
  let ending = false
  let closed: Promise<void> | null = null
  const listening = (async () => {
    while (!ending) {
      try {
        const frame = await receiver.capture(captureMs)
        if (frame?.type !== 'video') continue
        seen++
        record.frame(frame)
      } catch (error) {
        config.log.warn({ code: errorCode(error) }, 'own stream not received')
        record.failed(error)
        lost = errorCode(error) === 'ndi.receive.lost'
        if (lost) return
      }
    }
  })()
  return {
    ...sender,
    close: (reason) => {
      closed ??= (async () => {
        const until = performance.now() + lastFramesWithinMs
        const isBack = () => lost || seen + receiver.figures().videoDropped >= sender.figures().videoFrames
        while (!isBack() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, captureMs))
        ending = true
        await listening
        await record.close(reason)
        await new Promise((resolve) => setTimeout(resolve, lastAttestationMs))
        await receiver.close()
        await sender.close()
      })()
      return closed
    }
  }
}

async function ownSource(runtime: NdiRuntime, { sourceName }: Sender) {
  const finder = openFinder(runtime, { extraAddresses: ['127.0.0.1'] })
  try {
    for (const until = performance.now() + findWithinMs; performance.now() < until; ) {
      const found = (await finder.sources(100)).find(({ name }) => name === sourceName)
      if (found !== undefined) return found
    }
    throw new InfraFabricError('ndi.source.absent', `${sourceName} does not see itself`)
  } finally {
    await finder.close()
  }
}
