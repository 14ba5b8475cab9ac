/** H.460: features, carried in the generic extensibility framework. */
export * from './features.ts'
export * from './media-traversal.ts'
export * from './quality-report.ts'
export * from './signalling-traversal.ts'
export * from './trace-id.ts'
