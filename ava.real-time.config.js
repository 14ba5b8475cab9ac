import base from './ava.config.js'

/** Tests in which sound, calls or deadlines run on the wall clock: one file at a time, so that none of them waits for another's processor. */
export const realTime = [
  'media/{codecs,conference,encryption,floor,house-line,ports,worker}.test.ts',
  'media/{mediasoup/rooms,quality/reports,testing/loss}.test.ts',
  'media/{recording,udp,video}/**/*.test.ts',
  'deploy/**/*.test.ts',
  'gateways/h323/endpoint/**/*.test.ts',
  'cli/h323-dial.test.ts',
  'cli/ndi-commands.test.ts',
  'gateways/ndi/peer.test.ts',
  'gateways/h323/mcu/mcu*.test.ts'
]

export default { ...base, files: realTime, concurrency: 1 }
