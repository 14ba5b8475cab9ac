import { spawn } from 'node:child_process'
import { SaxesParser } from 'saxes'

/** One item of tshark's reading. */
export interface Reading {
  /** Filter name of the field, `h225.requestSeqNum`; empty for text of its own. */
  readonly name: string
  /** What people see: `requestSeqNum: 4944`. */
  readonly label: string
  readonly show: string
  /** Octets it was read from, hex. */
  readonly value: string
  readonly size: number
  readonly children: Reading[]
}

const protocols = /^(h225|h235|h245|h450|h4501|h460)(\.|$)/

/**
 * Lets tshark read a capture file and gives, packet by packet, what it sees of H.225.0, H.245, H.235, H.450 and H.460, and what it warns of.
 *
 * @param h245Port TCP port that carries H.245, which has no fixed one
 * @throws {Error} when tshark cannot be started or fails: a proof that did not run is not a proof
 */
export async function readByTshark(
  file: string,
  h245Port: number,
  onPacket: (protocols: readonly Reading[], problems: readonly string[]) => void
): Promise<void> {
  const tshark = spawn(
    'tshark',
    ['-n', '-r', file, '-d', `tcp.port==${h245Port},h245`, '-o', 'tcp.desegment_tcp_streams:FALSE', '-T', 'pdml'],
    {
      stdio: ['ignore', 'pipe', 'pipe']
    }
  )
  const done = new Promise<number | null>((resolve, reject) => {
    tshark.once('error', reject)
    tshark.once('close', resolve)
  })
  let complaint = ''
  tshark.stderr.setEncoding('utf8').on('data', (text) => {
    complaint += text
  })
  const parser = new SaxesParser()
  let stack: Reading[] = []
  let problems: string[] = []
  let found: Reading[] = []
  parser.on('opentag', ({ name: tag, attributes }) => {
    if (tag === 'packet') {
      stack = []
      problems = []
      found = []
      return
    }
    if (tag !== 'proto' && tag !== 'field') return
    const name = attributes.name as string
    const showname = (attributes.showname ?? '') as string
    if (name === '_ws.malformed' || name === '_ws.expert.message') problems.push(showname || name)
    const reading: Reading = {
      name,
      label: showname.replace(/^[.01 ]+ = |^[.01]{4} [.01]{4}( [.01]{4} [.01]{4})* /, ''),
      show: (attributes.show ?? '') as string,
      value: (attributes.value ?? '') as string,
      size: Number(attributes.size ?? 0),
      children: []
    }
    if (tag === 'proto') {
      // One inside another only marks that its dissector was at work.
      if (protocols.test(name)) found.push(reading)
    } else if (!name.startsWith('per.') && !name.startsWith('_ws')) stack.at(-1)?.children.push(reading)
    stack.push(reading)
  })
  parser.on('closetag', ({ name: tag }) => {
    if (tag === 'packet') onPacket(found, problems)
    else stack.pop()
  })
  tshark.stdout.setEncoding('utf8')
  for await (const text of tshark.stdout) parser.write(text)
  parser.close()
  const code = await done
  if (code !== 0) throw new Error(`tshark ended with ${code}: ${complaint.slice(0, 500)}`)
}
