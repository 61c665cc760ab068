import { BACKSLASH, LINE_FEED, QUOTE, RETURN, SPACE, TAB } from './ascii.ts'

/** One JSON value without the whitespace between its tokens, so that it fits one line. Strings stay byte for byte. */
export function minify(json: Buffer): Buffer {
  const out = Buffer.allocUnsafeSlow(json.length)
  let written = 0
  let inString = false
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (inString) {
      out[written++] = byte
      if (byte === BACKSLASH && at + 1 < json.length) out[written++] = json[++at]
      else if (byte === QUOTE) inString = false
    } else if (byte !== SPACE && byte !== TAB && byte !== RETURN && byte !== LINE_FEED) {
      out[written++] = byte
      inString = byte === QUOTE
    }
  }
  return out.subarray(0, written)
}
