/** Q.931 as H.225.0 uses it, and the TPKTs it travels in. */
export * from './elements.ts'
export * from './message.ts'
export * from './tpkt.ts'
export * from './user-user.ts'
