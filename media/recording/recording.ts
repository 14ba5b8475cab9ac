/** Recordings as they lie on the disk: reading, proving and exporting them. Public; needs neither sockets nor threads. */
export { prepareRecordingSigner, readRecordingSigner } from './certificate.ts'
export {
  type Excerpt,
  entryProofFile,
  excerptFile,
  leafOfExcerpt,
  readExcerpt,
  secondsBetween,
  strayOctets,
  writeExcerpt
} from './excerpt.ts'
export { isRecordingId, type RecordingManifest } from './files.ts'
export { alteredSeconds, openRecording, type ReadRecording, recordingsIn, strayFiles } from './read.ts'
export { type SecondLine, secondText } from './second.ts'
export { buildVcon, openVcon, signVcon, strangeFiles } from './vcon.ts'
export { exportWave, waveChannels } from './wave-export.ts'
