/**
 * The trace id of the suite in call signalling: generic data (H.460.1) under an identifier of our own, which others skip.
 *
 * H.460.27 would be the standard's way, but it carries two UUIDs and no id that a caller brought in another form.
 */
import { isAcceptableTraceId } from '#kernel'
import type { GenericData } from '../h225/generic-data.ts'
import { parameterOf, standard } from './features.ts'

/** `3f4ab2d6-6e0f-4f5c-9d0b-1a7e2c5b8f60`, version 4: made for this and used for nothing else. */
const identifier = Uint8Array.from(Buffer.from('3f4ab2d66e0f4f5c9d0b1a7e2c5b8f60', 'hex'))

const traceParameter = 1

/** @param traceId of whoever asked for the call: the call's own hangs under it */
export const traceData = (traceId: string): GenericData => ({
  id: { type: 'nonStandard', value: identifier },
  parameters: [{ id: standard(traceParameter), content: { type: 'text', value: traceId } }]
})

/** Trace id in generic data; undefined where there is none that can be used. */
export function traceOf(list: readonly GenericData[] | undefined): string | undefined {
  const data = list?.find(({ id }) => id.type === 'nonStandard' && Buffer.compare(id.value, identifier) === 0)
  const content = parameterOf(data, traceParameter)
  return content?.type === 'text' && isAcceptableTraceId(content.value) ? content.value : undefined
}
