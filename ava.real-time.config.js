import base from './ava.config.js'

/** Tests in which sound, calls or deadlines run on the wall clock: mostly they wait, so that two files at a time do not want for a processor, but none runs beside servers under load. */
export const realTime = [
  'media/{codecs,conference,encryption,floor,house-line,ipv6,ports,worker}.test.ts',
  'media/{mediasoup/rooms,quality/reports,testing/loss}.test.ts',
  'media/{recording,udp,video}/**/*.test.ts',
  'deploy/**/*.test.ts',
  'gateways/h323/endpoint/**/*.test.ts',
  'cli/commands/conference/floor.test.ts',
  'cli/commands/h323/dial.test.ts',
  'cli/commands/ndi/ndi.test.ts',
  'gateways/ndi/peer.test.ts',
  'gateways/h323/mcu/mcu*.test.ts'
]

export default { ...base, files: realTime }
