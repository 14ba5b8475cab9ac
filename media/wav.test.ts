import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { decodeWav, encodeWav } from './wav.ts'

const code = (file: Buffer) => {
  try {
    decodeWav(file)
    return null
  } catch (error) {
    return error instanceof DecodeError ? error.code : String(error)
  }
}
const patched = (at: number, ...octets: number[]) => {
  const file = encodeWav({ sampleRateHz: 8000, samples: Int16Array.of(1, 2, 3) })
  file.set(octets, at)
  return file
}

test('a file, octet by octet', (t) => {
  t.is(
    encodeWav({ sampleRateHz: 8000, samples: Int16Array.of(1, -2) }).toString('hex'),
    '524946462800000057415645666d74201000000001000100401f0000803e00000200100064617461040000000100feff'
  )
})

test('two channels say the same, and one of them is read', (t) => {
  const file = encodeWav({ sampleRateHz: 48_000, samples: Int16Array.of(1, -2) }, 2)
  t.is(
    file.toString('hex'),
    '524946462c00000057415645666d7420100000000100020080bb000000ee02000400100064617461080000000100' + '0100fefffeff'
  )
  t.deepEqual(decodeWav(file), { sampleRateHz: 48_000, samples: Int16Array.of(1, -2) })
})

test('what is written is read', (t) => {
  fc.assert(
    fc.property(fc.int16Array({ maxLength: 100 }), fc.integer({ min: 1, max: 192_000 }), (samples, sampleRateHz) => {
      t.deepEqual(decodeWav(encodeWav({ sampleRateHz, samples })), { sampleRateHz, samples })
    }),
    { numRuns: 100, seed: 1 }
  )
})

test('other chunks are stepped over, of two channels the first is taken', (t) => {
  const file = encodeWav({ sampleRateHz: 16_000, samples: Int16Array.of(1, 10, 2, 20) })
  file.writeUInt16LE(2, 22)
  const odd = Buffer.concat([Buffer.from('LIST'), Buffer.from([3, 0, 0, 0]), Buffer.from('abc\0')])
  const read = decodeWav(Buffer.concat([file.subarray(0, 12), odd, file.subarray(12)]))
  t.deepEqual(read, { sampleRateHz: 16_000, samples: Int16Array.of(1, 2) })
})

test('a recording that was cut off gives what is there', (t) => {
  t.deepEqual([...decodeWav(patched(40, 0xff, 0xff, 0xff, 0xff)).samples], [1, 2, 3])
  t.deepEqual([...decodeWav(patched(40, 0xff).subarray(0, 47)).samples], [1])
})

test('what is no WAV of ours is refused', (t) => {
  t.is(code(Buffer.alloc(0)), 'wav.malformed')
  t.is(code(Buffer.from('RIFF....WAVE')), 'wav.malformed')
  t.is(code(patched(0, 0)), 'wav.malformed')
  t.is(code(patched(20, 7)), 'wav.unsupported')
  t.is(code(patched(34, 8)), 'wav.unsupported')
  t.is(code(patched(22, 0)), 'wav.malformed')
  t.is(code(patched(12, 0)), 'wav.malformed')
  t.is(code(patched(36, 0)), 'wav.malformed')
  t.is(code(patched(0).subarray(0, 30)), 'wav.malformed')
})

test('any octets are read or refused', (t) => {
  const whole = encodeWav({ sampleRateHz: 8000, samples: new Int16Array(20) })
  fc.assert(
    fc.property(fc.nat(50), fc.uint8Array({ maxLength: 8 }), fc.nat(whole.length), (at, octets, length) => {
      const file = Buffer.from(whole)
      file.set(octets, at)
      const refused = code(file.subarray(0, length))
      return refused === null || refused.startsWith('wav.')
    }),
    { numRuns: 500, seed: 1 }
  )
  t.pass()
})
