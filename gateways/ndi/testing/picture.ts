/** A picture that moves, with grain that no codec keeps as it is. UYVY, 30 a second. */
export function testPicture(width: number, height: number, number: number) {
  const lineStride = width * 2
  const data = new Uint8Array(lineStride * height)
  for (let line = 0; line < height; line++) {
    for (let column = 0; column < lineStride; column++) {
      data[line * lineStride + column] = 16 + ((line * 3 + column * 5 + number * 7 + ((line * column) % 13)) % 200)
    }
  }
  return { width, height, fourCC: 'UYVY', frameRate: [30, 1] as const, lineStride, data }
}
