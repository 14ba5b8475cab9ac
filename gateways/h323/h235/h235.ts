/** H.235: security of H.323 messages. */
export * from './parameterised.ts'
export * from './tokens.ts'
