/** Which SIPp is installed and what it was built with. */
import { execFile } from 'node:child_process'
import { errorCode, InfraFabricError } from '#kernel'

export interface SippProgram {
  readonly version: string
  readonly tls: boolean
  readonly pcap: boolean
  readonly rtpStream: boolean
}

/** Reads the first lines of `sipp -v`, such as `SIPp v3.6.1-SCTP-PCAP-RTPSTREAM.` @throws {InfraFabricError} `sipp.version` */
export function parseSippVersion(text: string): SippProgram {
  const match = /SIPp v(\d+(?:\.\d+)+)((?:-\w+)*)/.exec(text)
  if (match === null) throw new InfraFabricError('sipp.version', 'the program that is called sipp does not say its version')
  const features = match[2]!.split('-')
  return {
    version: match[1]!,
    tls: features.some((feature) => /^(TLS|SSL)/.test(feature)),
    pcap: features.includes('PCAP'),
    rtpStream: features.includes('RTPSTREAM')
  }
}

/** @throws {InfraFabricError} `sipp.not-installed`, `sipp.version` */
export function sippProgram(): Promise<SippProgram> {
  return new Promise((resolve, reject) => {
    execFile('sipp', ['-v'], { timeout: 30_000, maxBuffer: 65_536 }, (error, stdout, stderr) => {
      if (error !== null && errorCode(error) === 'ENOENT') {
        reject(new InfraFabricError('sipp.not-installed', 'sipp is not installed (Debian package sip-tester)', { cause: error }))
        return
      }
      // SIPp leaves with status 99 here: no calls were processed.
      try {
        resolve(parseSippVersion(stdout + stderr))
      } catch (problem) {
        reject(problem)
      }
    })
  })
}
