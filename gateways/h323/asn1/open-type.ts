import type { PerReader } from './reader.ts'
import type { Type } from './type.ts'

/** X.691 §11.2: reads a value from an open type, which ends where its length says. */
export function readOpen(reader: PerReader, type: Type<unknown>): unknown {
  const { count, more } = reader.fragment()
  if (more) return readFragmented(reader, type, count)
  const { position, end } = reader
  const inner = position + count * 8
  if (inner > end) reader.skip(count * 8)
  reader.end = inner
  const value = type.read(reader)
  reader.end = end
  reader.position = inner
  return value
}

/** An open type of 16K and more: the position goes back to before its length, and the fragments are put together first. */
function readFragmented(reader: PerReader, type: Type<unknown>, first: number): unknown {
  reader.position -= 8
  if (first > (reader.end - reader.position) >>> 3) reader.skip(first * 8)
  return type.read(reader.inside(reader.lengthAndOctets()))
}

/**
 * X.691 §11.2: an open type, its content kept as octets.
 *
 * @param content the type it holds where the standard says so; decode it with a {@link pdu} of that type when it is wanted
 */
export function openType(content?: Type<unknown>): Type<Uint8Array> {
  return {
    shape: { kind: 'openType', content },
    read: (reader) => reader.lengthAndOctets(),
    write(writer, value) {
      if (!(value instanceof Uint8Array)) return writer.expected('the octets of an open type', value)
      writer.align()
      writer.lengthAndOctets(value)
    }
  }
}
