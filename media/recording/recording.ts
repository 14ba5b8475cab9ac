/** Recordings as they lie on the disk: reading, proving and exporting them. Public; needs neither sockets nor threads. */
export { prepareRecordingSigner, type RecordingSigner, readRecordingSigner } from './certificate.ts'
export {
  type Excerpt,
  type ExcerptSecond,
  entryProofFile,
  excerptFile,
  leafOfExcerpt,
  type PlacedSecond,
  readExcerpt,
  secondsBetween,
  strayOctets,
  writeExcerpt
} from './excerpt.ts'
export { isRecordingId, type RecordedParty, type RecordingManifest, type RecordingState } from './files.ts'
export { alteredSeconds, openRecording, type ReadBatch, type ReadRecording, recordingsIn, strayFiles } from './read.ts'
export { type SecondLine, secondText } from './second.ts'
export { buildVcon, openVcon, signVcon, type VconOptions } from './vcon.ts'
export { exportWave, waveChannels } from './wave-export.ts'
