/** H.235: security of H.323 messages. */
export * from './baseline.ts'
export * from './parameterised.ts'
export * from './tokens.ts'
