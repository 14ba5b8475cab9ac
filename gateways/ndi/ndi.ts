/** The NDI gateway: the binding to the runtime, and frames that can be checked later. */
export { createStreamCheck, type StreamVerdict } from './attestation.ts'
export { type AttestedSender, type AttestedSenderConfig, openAttestedSender } from './attested-sender.ts'
export { type Finder, type FinderConfig, type NdiSource, openFinder } from './find.ts'
export type { AudioFrame, BufferFor, Frame, MetadataFrame, VideoFrame } from './frames.ts'
export type { IngestFigures, IngestPorts, IngestRequest } from './ingest.ts'
export { createIngests, type IngestBridgeConfig, type Ingests, type IngestView, ingestBridge } from './ingests.ts'
export {
  type EncoderRequest,
  type IngestFormat,
  type IngestMedia,
  ingestCodecs,
  type PictureDestination,
  type PictureEncoder,
  type PictureSink,
  type SoundSink,
  type Sources
} from './ports.ts'
export {
  openPublication,
  type Publication,
  type PublicationMedia,
  type PublicationRequest,
  type PublicationView
} from './publish.ts'
export { type FrameSync, openReceiver, type Receiver, type ReceiverConfig, type ReceiverFigures } from './receive.ts'
export { configureDiscovery, loadRuntime, type NdiRuntime, runtimeCandidates } from './runtime.ts'
export { type OutgoingAudio, type OutgoingVideo, openSender, type Sender, type SenderConfig, type SenderFigures } from './send.ts'
export { ndiSources, sourcePattern } from './sources.ts'
export { createStreamFile, type KeptFrame, readStreamFile } from './stream-file.ts'
export type { StreamRecord, StreamRecordConfig } from './stream-record.ts'
