/** The NDI gateway: the binding to the runtime, and frames that can be checked later. */
export { createStreamCheck, type StreamVerdict } from './attestation/attestation.ts'
export { type AttestedSender, type AttestedSenderConfig, openAttestedSender } from './attestation/attested-sender.ts'
export { createStreamFile, type KeptFrame, readStreamFile } from './attestation/stream-file.ts'
export type { StreamRecord, StreamRecordConfig } from './attestation/stream-record.ts'
export type { IngestFigures, IngestPorts, IngestRequest } from './ingest/ingest.ts'
export { createIngests, type IngestBridgeConfig, type Ingests, type IngestView, ingestBridge } from './ingest/ingests.ts'
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
} from './ingest/ports.ts'
export { ndiSources, sourcePattern } from './ingest/sources.ts'
export {
  openPublication,
  type Publication,
  type PublicationMedia,
  type PublicationRequest,
  type PublicationView
} from './publish.ts'
export { type Finder, type FinderConfig, type NdiSource, openFinder } from './runtime/find.ts'
export type { AudioFrame, BufferFor, Frame, MetadataFrame, VideoFrame } from './runtime/frames.ts'
export { type FrameSync, openReceiver, type Receiver, type ReceiverConfig, type ReceiverFigures } from './runtime/receive.ts'
export { configureDiscovery, loadRuntime, type NdiRuntime, runtimeCandidates } from './runtime/runtime.ts'
export {
  type OutgoingAudio,
  type OutgoingVideo,
  openSender,
  type Sender,
  type SenderConfig,
  type SenderFigures
} from './runtime/send.ts'
