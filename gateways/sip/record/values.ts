import { hash } from 'node:crypto'
import { messageOf } from '#kernel'
import { clip } from '../message/headers.ts'

/** Components under which the entries of a call stand. */
export const components = { sip: 'IF.witness.sip', proxy: 'IF.proxy', bridge: 'IF.bridge.conference', guard: 'IF.guard' } as const

/** SHA-256 of a body, 64 hex digits: how records name an SDP. */
export const bodyHash = (body: string): string => hash('sha256', body)

/** What an error says, short enough for a log line and an entry. */
export const clippedMessage = (error: unknown): string => clip(messageOf(error), 200)

/** Milliseconds as records hold them: to a microsecond. */
export const rounded = (ms: number): number => Math.round(ms * 1000) / 1000
