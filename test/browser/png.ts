import { inflateSync } from 'node:zlib'

/** The mean luminance of a PNG as browsers write them: 8 bits a channel, RGB or RGBA, not interlaced. 0 is black, 1 white. */
export function meanLuminance(png: Buffer): number {
  const width = png.readUInt32BE(16)
  const height = png.readUInt32BE(20)
  const channels = png[25] === 6 ? 4 : 3
  if (png[24] !== 8 || (png[25] !== 2 && png[25] !== 6)) throw new Error('not a PNG of this kind')
  const bytes = unfilter(inflateSync(dataOf(png)), width * channels, height, channels)
  let sum = 0
  for (let at = 0; at < bytes.length; at += channels) {
    sum += 0.2126 * (bytes[at] ?? 0) + 0.7152 * (bytes[at + 1] ?? 0) + 0.0722 * (bytes[at + 2] ?? 0)
  }
  return sum / (width * height * 255)
}

function dataOf(png: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + length))
    at += length + 12
  }
  return Buffer.concat(parts)
}

/** The five filters of RFC 2083 section 6, undone. */
function unfilter(raw: Buffer, stride: number, height: number, channels: number): Buffer {
  const out = Buffer.alloc(stride * height)
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (stride + 1)] ?? 0
    for (let column = 0; column < stride; column++) {
      const at = row * stride + column
      const left = column < channels ? 0 : (out[at - channels] ?? 0)
      const up = row === 0 ? 0 : (out[at - stride] ?? 0)
      const corner = column < channels || row === 0 ? 0 : (out[at - stride - channels] ?? 0)
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0
      out[at] = (raw[row * (stride + 1) + 1 + column] ?? 0) + guess
    }
  }
  return out
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)] as const
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}
