import base from './ava.config.js'

/** Tests in which sound, calls or deadlines run on the wall clock: one file at a time, so that none of them waits for another's processor. */
export const realTime = [
  'media/*.test.ts',
  'media/{mediasoup,quality,recording,testing,udp,video}/**/*.test.ts',
  'deploy/**/*.test.ts',
  'gateways/h323/endpoint/**/*.test.ts',
  'cli/h323-dial.test.ts',
  'cli/ndi-commands.test.ts',
  'gateways/ndi/peer.test.ts',
  'gateways/h323/mcu/mcu*.test.ts'
]

export default { ...base, files: realTime, concurrency: 1 }
