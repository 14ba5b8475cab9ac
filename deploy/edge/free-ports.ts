import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { writePrivateFile } from '../data/files.ts'

/** A TCP port of `address` that is free now. Somebody else may take it before we do: whoever binds it must be ready to ask again. */
export function freeTcpPort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, address, () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0))
    })
  })
}

/** A UDP port of `address` that is free now. @param wanted the port itself, 0 for any; rejects where it is taken */
export function freeUdpPort(address: string, wanted = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', reject)
    socket.bind(wanted, address, () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

/**
 * The UDP port of the last run, where it is still free: it stands in the Route sets and targets of phones whose calls go on.
 *
 * @param file in which {@link keepPort} wrote it
 * @returns 0 where there is none, or another program has it
 */
export async function keptUdpPort(file: string, address: string): Promise<number> {
  const port = Number(await readFile(file, 'utf8').catch(() => '0'))
  if (!Number.isInteger(port) || port < 1024 || port > 65_535) return 0
  return freeUdpPort(address, port).catch(() => 0)
}

export const keepPort = (file: string, port: number): Promise<void> => writePrivateFile(file, `${port}\n`)

/** First and last port of `size` UDP ports above a free one, below 65536, beginning with an even one. */
export async function freeUdpRange(address: string, size: number): Promise<readonly [number, number]> {
  const port = await freeUdpPort(address)
  const first = Math.min(port + (port % 2), 65_534 - size)
  const even = first - (first % 2)
  return [even, even + size - 1]
}
