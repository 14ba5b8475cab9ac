import { InfraFabricError } from '#kernel'
import { type Change, maxRecordsOfCommit, maxValueOctets } from './state-store.ts'

const keyPattern = /^[A-Za-z0-9._:@/+-]{1,200}$/

/** A change as stores write it: values and data of events as text. */
export interface WrittenChange {
  readonly expect: Change['expect']
  readonly put: readonly { readonly key: string; readonly text: string }[]
  readonly remove: readonly string[]
  readonly tell: readonly { readonly topic: string; readonly text: string }[]
}

const invalid = (message: string) => new InfraFabricError('store.invalid', message)

export function checkKey(key: string): void {
  if (!keyPattern.test(key))
    throw invalid(`${JSON.stringify(key).slice(0, 80)} is no key: expected 1-200 characters of A-Z a-z 0-9 . _ : @ / + -`)
}

/** @throws {InfraFabricError} `store.invalid` */
export function writeChange({ expect, put, remove, tell }: Change): WrittenChange {
  const size = expect.length + put.length + remove.length + tell.length
  if (size > maxRecordsOfCommit) throw invalid(`a commit of ${size} parts: expected at most ${maxRecordsOfCommit}`)
  for (const { key } of [...expect, ...put]) checkKey(key)
  for (const key of remove) checkKey(key)
  const text = (value: unknown, of: string): string => {
    const written = JSON.stringify(value)
    if (written === undefined) throw invalid(`${of} is no JSON`)
    if (Buffer.byteLength(written) > maxValueOctets) throw invalid(`${of} has more than ${maxValueOctets} octets`)
    return written
  }
  for (const { topic } of tell) if (!keyPattern.test(topic)) throw invalid(`${JSON.stringify(topic).slice(0, 80)} is no topic`)
  return {
    expect,
    put: put.map(({ key, value }) => ({ key, text: text(value, key) })),
    remove,
    tell: tell.map(({ topic, data }) => ({ topic, text: text(data, topic) }))
  }
}
