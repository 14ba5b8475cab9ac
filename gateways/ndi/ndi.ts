/** The NDI gateway: the binding to the runtime, and frames that can be checked later. */
export { createStreamCheck, type StreamVerdict } from './attestation.ts'
export { type Finder, type FinderConfig, type NdiSource, openFinder } from './find.ts'
export type { AudioFrame, BufferFor, Frame, MetadataFrame, VideoFrame } from './frames.ts'
export { type FrameSync, openReceiver, type Receiver, type ReceiverConfig, type ReceiverFigures } from './receive.ts'
export { loadRuntime, type NdiRuntime, runtimeCandidates } from './runtime.ts'
export { type OutgoingAudio, type OutgoingVideo, openSender, type Sender, type SenderConfig, type SenderFigures } from './send.ts'
export { recordStream, type StreamRecord, type StreamRecordConfig } from './stream-record.ts'
