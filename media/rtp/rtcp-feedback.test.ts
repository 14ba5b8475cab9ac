import test from 'ava'
import fc from 'fast-check'
import { DecodeError } from '#kernel'
import { encodeReport } from './rtcp.ts'
import { asksForPicture, decodeFeedback, encodeFullIntra, encodeNack, encodePictureLoss } from './rtcp-feedback.ts'

test('octet by octet', (t) => {
  t.is(encodePictureLoss(1, 0x0a0b0c0d).toString('hex'), '81ce0002000000010a0b0c0d')
  t.is(encodeFullIntra(1, 0x0a0b0c0d, 7).toString('hex'), '84ce00040000000100000000' + '0a0b0c0d07000000')
  // 100, 101 and 116 in one entry, 117 in the next
  t.is(encodeNack(1, 2, [100, 101, 116, 117]).toString('hex'), '81cd00040000000100000002' + '00648001' + '00750000')
})

test('decode(encode(feedback)) is the feedback', (t) => {
  t.deepEqual(decodeFeedback(encodePictureLoss(1, 9)), [{ type: 'pictureLoss', source: 9 }])
  t.deepEqual(decodeFeedback(encodeFullIntra(1, 9, 255)), [{ type: 'fullIntra', source: 9, command: 255 }])
  fc.assert(
    fc.property(fc.nat(65_535), fc.uniqueArray(fc.nat(200), { minLength: 1, maxLength: 100 }), (from, steps) => {
      const lost = steps.sort((a, b) => a - b).map((step) => (from + step) & 0xffff)
      t.deepEqual(decodeFeedback(encodeNack(1, 2, lost)), [{ type: 'nack', source: 2, lost }])
    })
  )
})

test('lengths that lie are refused, other formats give nothing, a long NACK is bounded', (t) => {
  const pli = encodePictureLoss(1, 2)
  for (let length = 0; length < pli.length; length++)
    t.throws(() => decodeFeedback(pli.subarray(0, length)), { instanceOf: DecodeError, code: 'rtcp.feedback.length' })
  const fir = encodeFullIntra(1, 2, 3)
  fir.writeUInt16BE(3, 2)
  t.throws(() => decodeFeedback(fir), { code: 'rtcp.feedback.length' })
  t.deepEqual(decodeFeedback(Buffer.from('8fce000200000001000000ff', 'hex')), [])
  const lost = Array.from({ length: 1000 }, (_, i) => i)
  const [nack] = decodeFeedback(encodeNack(1, 2, lost))
  t.is(nack!.type === 'nack' && nack!.lost.length, 256)
})

test('a compound packet asks for a picture with PLI or FIR among its parts, and with nothing else', (t) => {
  const report = encodeReport({ ssrc: 1, cname: 'a', sender: null, block: null, goodbye: false })
  const nack = encodeNack(1, 2, [3])
  for (const asking of [encodePictureLoss(1, 2), encodeFullIntra(1, 2, 3)]) {
    t.true(asksForPicture(asking))
    t.true(asksForPicture(Buffer.concat([report, nack, asking])))
    t.false(asksForPicture(asking.subarray(0, 8)))
  }
  t.false(asksForPicture(Buffer.concat([report, nack])))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => typeof asksForPicture(Buffer.from(octets)) === 'boolean'))
})
