import test from 'ava'
import fc from 'fast-check'
import { isStun, stunAnswer } from './stun.ts'

/** Transaction id and addresses of RFC 5769 §2.2 and §2.3. */
const transaction = 'b7e7a701bc34d686fa87dfae'
const request = (attributes = ''): Buffer =>
  Buffer.from(`0001${(attributes.length / 2).toString(16).padStart(4, '0')}2112a442${transaction}${attributes}`, 'hex')

test('a binding request is answered with the address it came from, as RFC 5769 encodes it', (t) => {
  t.true(isStun(request()))
  t.is(
    stunAnswer(request(), { address: '192.0.2.1', port: 32_853 })!.toString('hex'),
    `0101000c2112a442${transaction}002000080001a147e112a643`
  )
  t.is(
    stunAnswer(request(), { address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 })!.toString('hex'),
    `010100182112a442${transaction}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9`
  )
  t.is(stunAnswer(request(), { address: '::1', port: 1 })!.length, 44)
})

test('attributes that must be understood and are not: 420 with their numbers', (t) => {
  const answer = stunAnswer(request('0024000400000001'), { address: '192.0.2.1', port: 1 })!
  t.is(answer.readUInt16BE(0), 0x0111)
  t.is(answer.readUInt16BE(2), answer.length - 20)
  t.true(answer.includes(Buffer.from([0, 0, 4, 20])))
  t.is(answer.subarray(-8).toString('hex'), '000a000200240000')
  t.is(stunAnswer(request('8022000474657374'), { address: '192.0.2.1', port: 1 })!.readUInt16BE(0), 0x0101)
})

test('what is no binding request, or is malformed, is not answered; nothing is taken for STUN that is SIP', (t) => {
  const peer = { address: '192.0.2.1', port: 1 }
  const indication = request()
  indication.writeUInt16BE(0x0011, 0)
  t.is(stunAnswer(indication, peer), undefined)
  const short = request()
  short.writeUInt16BE(4, 2)
  t.is(stunAnswer(short, peer), undefined)
  t.is(stunAnswer(request('00060009000000'), peer), undefined)
  t.false(isStun(Buffer.from('OPTIONS sip:a SIP/2.0\r\n')))
  t.false(isStun(request().subarray(0, 19)))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (octets, framed) => {
      const bytes = framed ? request(Buffer.from(octets).toString('hex')) : Buffer.from(octets)
      const answer = isStun(bytes) ? stunAnswer(bytes, peer) : undefined
      t.true(answer === undefined || answer.length <= 80)
    })
  )
})
