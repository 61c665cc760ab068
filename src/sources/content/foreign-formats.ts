/** A format that is not JSON. */
export interface ForeignFormat {
  /** For "is ...": `a zip archive`. */
  readonly name: string
  /**
   * Command that prints the records as JSON, or a decompressed file. It reads `file`, or standard
   * input without one.
   */
  readonly convert?: (file?: string) => string
  /** The command needs a file: it cannot read standard input. */
  readonly needsFile?: true
  /** Detected by its lines, and read as NDJSON if the format is configured. */
  readonly isText?: true
  /** What to do if there is no command. */
  readonly advice?: string
}

/** Bytes of a tar header. */
const HEADER_BYTES = 512

/** Detects archives, compressions and binary formats by their first bytes, and UTF-16 and UTF-32. */
export function detectBinary(head: Buffer): ForeignFormat | undefined {
  const found = SIGNATURES.find(([signature]) => head.length >= signature.length && head.indexOf(signature) === 0)
  if (found !== undefined && !(WORDS.test(head.toString('latin1', 0, 4)) && isText(head))) return found[1]
  if (isTar(head)) return TAR
  return detectEncoding(head)
}

const stdin = (command: string) => (file?: string) => (file === undefined ? command : `${command} ${file}`)
const fileOnly = (convert: (file: string) => string) =>
  ({ convert: (file = 'FILE') => convert(file), needsFile: true }) as const

const TAR: ForeignFormat = { name: 'a tar archive', convert: (file = '-') => `tar -xOf ${file}` }
const ZIP: ForeignFormat = { name: 'a zip archive', ...fileOnly((file) => `unzip -p ${file}`) }
const LZ4: ForeignFormat = { name: 'an lz4 file', convert: stdin('lz4 -dc') }
const LZMA: ForeignFormat = { name: 'an lzma file', convert: stdin('xz -dc') }

const SIGNATURES: readonly (readonly [Buffer, ForeignFormat])[] = (
  [
    ['PK\x03\x04', ZIP],
    ['PK\x05\x06', ZIP],
    ['PK\x07\x08', ZIP],
    ['BZh', { name: 'a bzip2 file', convert: stdin('bzip2 -dc') }],
    ['\xfd7zXZ\0', { name: 'an xz file', convert: stdin('xz -dc') }],
    ['\x5d\0\0', LZMA],
    ['7z\xbc\xaf\x27\x1c', { name: 'a 7z archive', ...fileOnly((file) => `7z x -so ${file}`) }],
    ['Rar!\x1a\x07', { name: 'a rar archive', ...fileOnly((file) => `unrar p -inul ${file}`) }],
    ['\x04\x22\x4d\x18', LZ4],
    ['\x02\x21\x4c\x18', LZ4],
    ['\xff\x06\0\0sNaPpY', { name: 'a snappy file', convert: stdin('snzip -dc') }],
    ['\x1f\x9d', { name: 'a file of compress (.Z)', convert: stdin('gzip -dc') }],
    ['\x1f\x8b', { name: 'a gzip file', convert: stdin('gzip -dc') }],
    ['\x28\xb5\x2f\xfd', { name: 'a zstd file', convert: stdin('zstd -dc') }],
    ['LZIP', { name: 'an lzip file', convert: stdin('lzip -dc') }],
    ['\x89LZO\0', { name: 'an lzop file', convert: stdin('lzop -dc') }],
    [
      'PAR1',
      {
        name: 'a Parquet file',
        ...fileOnly(
          (file) =>
            `duckdb -c "COPY (FROM read_parquet('${file.replaceAll(/^'|'$/g, '')}')) TO '/dev/stdout' (FORMAT json)"`,
        ),
      },
    ],
    ['Obj\x01', { name: 'an Avro file', ...fileOnly((file) => `avro-tools tojson ${file}`) }],
    ['ORC', { name: 'an ORC file', ...fileOnly((file) => `orc-contents ${file}`) }],
    ['ARROW1\0\0', { name: 'an Arrow file', advice: 'export it as JSON lines' }],
    ['ElfFile\0', { name: 'a Windows event log', ...fileOnly((file) => `evtx_dump -o jsonl ${file}`) }],
    ['LPKSHHRH', { name: 'a systemd journal', ...fileOnly((file) => `journalctl -o json --file ${file}`) }],
    ['%PDF-', { name: 'a PDF document', advice: 'export the events as JSON' }],
    ['SQLite format 3\0', { name: 'a SQLite database', advice: 'export the events as JSON' }],
    ['\x89PNG\r\n', { name: 'an image', advice: 'remove it from the input' }],
  ] as const
).map(([signature, format]) => [Buffer.from(signature, 'latin1'), format])

/** Signatures that can be the first letters of a text. */
const WORDS = /^(BZh|ORC|LZIP|PAR1)/

function isText(head: Buffer): boolean {
  return head.subarray(0, HEADER_BYTES).every((byte) => byte >= 9)
}

/** By the checksum in its header: old archives have no signature. */
function isTar(head: Buffer): boolean {
  if (head.length < HEADER_BYTES) return false
  const written = /^[ 0]*([0-7]+)[ \0]/.exec(head.toString('latin1', 148, 156))
  if (written === null) return false
  let sum = 8 * 0x20
  for (const [at, byte] of head.subarray(0, HEADER_BYTES).entries()) if (at < 148 || at >= 156) sum += byte
  return Number.parseInt(written[1] ?? '', 8) === sum
}

/**
 * By the byte order mark, or by the zeros of its first two characters: JSON begins with two ASCII
 * characters.
 */
function detectEncoding(head: Buffer): ForeignFormat | undefined {
  const pattern = [...head.subarray(0, 8)].map((byte) => (byte === 0 ? '0' : 'x')).join('')
  if (head.indexOf(Buffer.from([0xff, 0xfe, 0, 0])) === 0 || pattern === 'x000x000')
    return encoded('UTF-32', 'LE', head)
  if (head.indexOf(Buffer.from([0, 0, 0xfe, 0xff])) === 0 || pattern === '000x000x')
    return encoded('UTF-32', 'BE', head)
  if (head.indexOf(Buffer.from([0xff, 0xfe])) === 0 || pattern.startsWith('x0x0')) return encoded('UTF-16', 'LE', head)
  if (head.indexOf(Buffer.from([0xfe, 0xff])) === 0 || pattern.startsWith('0x0x')) return encoded('UTF-16', 'BE', head)
  return undefined
}

/** iconv takes the order from the mark if there is one, and removes it. */
function encoded(name: string, order: string, head: Buffer): ForeignFormat {
  const hasMark = head[0] === 0xff || head[0] === 0xfe || head[2] === 0xfe
  const from = hasMark ? name : `${name}${order}`
  return { name, convert: stdin(`iconv -f ${from} -t UTF-8`) }
}
