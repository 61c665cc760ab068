import type { Compression } from '../../compression/detect.ts'
import { SluiceError } from '../../errors.ts'
import type { InputFormat } from './detecting-splitter.ts'
import { detectBinary } from './foreign-formats.ts'
import type { ForeignFormat } from './foreign-formats.ts'
import { beginsLikeJson, detectText } from './text-formats.ts'

/**
 * Number of leading bytes that are looked at. A log of JSON may begin with lines of text: the
 * banner of a program, or a stack trace.
 */
export const SNIFF_BYTES = 64 * 1024

interface ContentStart {
  readonly name: string
  readonly format: InputFormat | 'auto'
  readonly compression: Compression | undefined
}

/**
 * Refuses content that is not JSON at all, of which every line would be rejected.
 * @param head The first bytes of the decompressed content.
 * @param isWhole The head is the whole content.
 * @returns false if more bytes are needed to decide.
 * @throws SluiceError INPUT_CORRUPT, with the name of the format and the way out.
 */
export function refuseForeign(head: Buffer, isWhole: boolean, start: ContentStart): boolean {
  if (beginsLikeJson(head)) {
    // UTF-16 and UTF-32 begin so too.
    if (head.length < 8 && !isWhole) return false
    const encoding = head.includes(0) ? detectBinary(head) : undefined
    if (encoding !== undefined) throw foreign(encoding, start)
    return true
  }
  if (head.length < SNIFF_BYTES && !isWhole) return false
  // With the format configured, each line of text is rejected.
  const found = detectBinary(head) ?? (start.format === 'auto' ? detectText(head, isWhole) : undefined)
  if (found !== undefined) throw foreign(found, start)
  return true
}

/** Checks the start of a content while it is read, see `refuseForeign`. */
export async function* checkStart(content: AsyncIterable<Buffer>, start: ContentStart): AsyncGenerator<Buffer> {
  const chunks = content[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  let isChecked = false
  try {
    while (!isChecked) {
      const next = await chunks.next().catch((error: unknown) => ({ error }))
      if ('error' in next) {
        if (head.length > 0) yield head
        throw next.error
      }
      if (next.done !== true) head = Buffer.concat([head, next.value])
      isChecked = refuseForeign(head, next.done === true, start)
    }
    if (head.length > 0) yield head
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
  } finally {
    await chunks.return?.()
  }
}

function foreign(format: ForeignFormat, { name, compression }: ContentStart): SluiceError {
  const within = compression === undefined ? '' : ` in ${compression.name}`
  const message = `"${name}" is ${format.name}${within}, not JSON`
  return new SluiceError('INPUT_CORRUPT', message, {
    hint: `${wayOut(format, name, compression)}${format.isText === true ? AS_LINES : ''}`,
  })
}

const AS_LINES = '; or set `format: ndjson` to have each line rejected'

function wayOut(format: ForeignFormat, name: string, compression: Compression | undefined): string {
  const { convert, needsFile, advice = 'convert it to JSON' } = format
  if (convert === undefined) return advice
  const into = 'sluice backfill PIPELINE -'
  if (name === '-') {
    if (needsFile === true) return `save it to a file, then: ${convert()} | ${into}`
    const decompress = compression === undefined ? '' : `${compression.command} | `
    return `put a command in front of sluice: ${decompress}${convert()} | ${into}`
  }
  const file = shellWord(name)
  if (name.startsWith('s3://')) {
    const copy = `aws s3 cp ${file}`
    if (needsFile === true) {
      const plain = compression === undefined ? '' : `${compression.command} COPY > FILE; `
      return `copy it first: ${copy} ${plain === '' ? 'FILE' : 'COPY'}; ${plain}${convert()} | ${into}`
    }
    const decompress = compression === undefined ? '' : `${compression.command} | `
    return `${copy} - | ${decompress}${convert()} | ${into}`
  }
  if (compression === undefined) return `${convert(file)} | ${into}`
  if (needsFile === true) return `decompress it first: ${compression.command} ${file} > FILE; ${convert()} | ${into}`
  return `${compression.command} ${file} | ${convert()} | ${into}`
}

function shellWord(name: string): string {
  return /^[\w./+=@%:-]+$/.test(name) && !name.startsWith('-') ? name : `'${name.replaceAll("'", "'\\''")}'`
}
