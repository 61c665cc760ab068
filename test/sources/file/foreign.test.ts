import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { SluiceError } from '../../../src/errors.ts'
import { openWorkspace } from '../../support/command.ts'
import { MAIN } from '../../support/paths.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { linesOf, read } from './read-file.ts'

const ascii = (text: string) => Buffer.from(text, 'latin1')
const ndjson = '{"a":1}\n{"a":2}\n'

/** A header of tar, with its checksum, and without a signature. */
function tar(name: string, content: string): Buffer {
  const header = Buffer.alloc(512)
  header.write(name)
  header.write('0000644\0' + '0000000\0'.repeat(2), 100)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        0`, 124)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const body = Buffer.alloc(512 * Math.ceil(content.length / 512))
  body.write(content)
  return Buffer.concat([header, body, Buffer.alloc(1024)])
}

const utf32 = (text: string) => Buffer.concat(text.split('').map((one) => Buffer.of(one.charCodeAt(0), 0, 0, 0)))

/** Content, what it is, and the command that converts it. */
const cases: readonly (readonly [string, Buffer, RegExp, RegExp])[] = [
  ['zip', ascii('PK\x03\x04\x14\0\0\0'), /a zip archive/, /^unzip -p FILE \|/],
  ['tar', tar('a.ndjson', ndjson), /a tar archive/, /^tar -xOf FILE \|/],
  ['bzip2', ascii('BZh91AY&SY\x01\x02'), /a bzip2 file/, /^bzip2 -dc FILE \|/],
  ['xz', ascii('\xfd7zXZ\0\0\x04'), /an xz file/, /^xz -dc FILE \|/],
  ['7z', ascii('7z\xbc\xaf\x27\x1c\0\x04'), /a 7z archive/, /^7z x -so FILE \|/],
  ['lz4', ascii('\x04\x22\x4d\x18\x64'), /an lz4 file/, /^lz4 -dc FILE \|/],
  ['snappy', ascii('\xff\x06\0\0sNaPpY'), /a snappy file/, /^snzip -dc FILE \|/],
  ['Parquet', ascii('PAR1\x15\x04'), /a Parquet file/, /^duckdb .*read_parquet\('FILE'\)/],
  ['Avro', ascii('Obj\x01\x04\x16'), /an Avro file/, /^avro-tools tojson FILE \|/],
  ['PDF', ascii('%PDF-1.7\n'), /a PDF document/, /export/],
  ['CSV', ascii('id,name\n1,"a,b"\n2,c\n'), /CSV/, /^mlr --icsv --ojsonl cat FILE \|.*format: ndjson/],
  ['CSV of Windows', ascii('id;name\r\n1;M\xfcller\r\n'), /CSV/, /--ifs ';'/],
  ['TSV', ascii('id\tname\n1\ta\n'), /TSV/, /--itsv/],
  ['a log', ascii('2024-01-01 INFO started\n2024-01-01 INFO {"a":1}\n'), /plain text/, /^grep -o .* FILE \|/],
  ['a log with brackets', ascii('[2024-01-01 10:00] a\n[INFO] b, c\n'), /plain text/, /^grep/],
  ['syslog', ascii('<134>Jan 1 host a: x\n<134>Jan 1 host b: y\n'), /plain text/, /^grep/],
  ['HTML', ascii('\n<!DOCTYPE html><html>\n<script>\n{\n}\n</script>'), /an HTML page/, /sign-in or error page/],
  ['XML', ascii('<?xml version="1.0"?><Events/>'), /XML/, /JSON/],
  ['a JSON text sequence', ascii('\x1e{"a":1}\n\x1e{"a":2}\n'), /RFC 7464/, /^tr -d '\\036' < FILE \|/],
  ['UTF-16', Buffer.from(`\ufeff${ndjson}`, 'utf16le'), /UTF-16/, /^iconv -f UTF-16 -t UTF-8 FILE \|/],
  ['UTF-16 without a mark', Buffer.from(ndjson, 'utf16le'), /UTF-16/, /^iconv -f UTF-16LE -t UTF-8 FILE \|/],
  ['UTF-16BE', Buffer.from(ndjson, 'utf16le').swap16(), /UTF-16/, /^iconv -f UTF-16BE -t UTF-8 FILE \|/],
  ['UTF-32', utf32(ndjson), /UTF-32/, /^iconv -f UTF-32LE -t UTF-8 FILE \|/],
  [
    'random bytes',
    Buffer.from(Array.from({ length: 200 }, (_, at) => (at * 151 + 90) & 0xff)),
    /binary data/,
    /convert/,
  ],
  [
    'random bytes with a line that begins like an object',
    Buffer.concat(['\x01\x02', '{\x91', '\xe7'].map((line) => ascii(`${line.repeat(20)}\n`))),
    /binary data/,
    /convert/,
  ],
]

test('an input that is not JSON is refused with its format and a command, also within gzip', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [what, content, format, command] of cases) {
    const name = join(folder, 'x.json')
    for (const [bytes, within] of [
      [content, ''],
      [gzipSync(content), ' in gzip'],
    ] as const) {
      await writeFile(name, bytes)
      const { chunks, error } = await read(name)
      assert.deepEqual(linesOf(chunks), [], what)
      assert.ok(error instanceof SluiceError && error.code === 'INPUT_CORRUPT', what)
      assert.ok(error.message.startsWith(`"${name}" is `) && error.message.endsWith(`${within}, not JSON`), what)
      assert.match(error.message, format, what)
      const hint = error.hint ?? ''
      if (within === '') assert.match(hint.replaceAll(name, 'FILE'), command, what)
      else if (hint.includes('|')) assert.match(hint, /gzip -dc /, what)
    }
  }
})

test('NDJSON with bad lines stays NDJSON, and small inputs are not judged', async (t) => {
  const name = join(await temporaryFolder(t), 'x.log')
  const banner = 'Starting up, please wait\n'.repeat(2000)
  for (const text of [
    'a bad line\n',
    'no json, no line feed',
    `a,b\n1,2\n${ndjson}`,
    banner + ndjson,
    `<html>\nbad gateway\n</html>\n${ndjson}`,
    `\0\0\0\0{"a":1}\n`,
    `\0\0lf a line"}\n`,
    'null\n1\n',
    '',
    '\n\n',
    '"x\n{',
    '[\n',
    `PK\n${ndjson}`,
    `ORCHESTRATOR\n${ndjson}`,
    `${'\u0001\u0002'.repeat(40)}\n${ndjson}`,
    `${'\u0001\u0002'.repeat(40)}\n{"a":"${'x'.repeat(70_000)}"}\n`,
  ]) {
    for (const bytes of [Buffer.from(text), gzipSync(text)]) {
      await writeFile(name, bytes)
      const { error } = await read(name)
      assert.ok(
        error === undefined || (error instanceof SluiceError && error.message.includes('is damaged: it ends')),
        text.slice(-30),
      )
    }
  }
  await writeFile(name, 'id,name\n1,a\n')
  const { chunks, error } = await read(name, { format: 'ndjson' })
  assert.deepEqual([linesOf(chunks), error], [['id,name', '1,a'], undefined])
})

test(
  'the command in the hint reads the records of a tar archive in gzip',
  { skip: process.platform === 'win32' },
  async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write("it's.tgz", gzipSync(tar('a.ndjson', ndjson)))
    await workspace.write(
      'p.yaml',
      'source: { type: file, path: "*.tgz" }\nsink: { type: file, path: out, key: x, compression: none }\n',
    )
    const refused = await workspace.sluice(['run', 'p.yaml'])
    assert.equal(refused.code, 3)
    const command = /^ *(?:hint: )?(gzip .*)$/m.exec(refused.stderr)?.[1] ?? ''
    const shell = command.replace('sluice backfill PIPELINE', `'${process.execPath}' '${MAIN}' backfill p.yaml`)
    const { stderr } = await promisify(execFile)('sh', ['-c', shell], { cwd: workspace.folder })
    assert.match(stderr, /written +2 /)
  },
)
