import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { SluiceError } from '../../src/errors.ts'
import { compressions, createSource, linesOf, read, sampleEvents, start } from './file/read-file.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const events = await sampleEvents()
const pretty = events.map((event) => JSON.stringify(JSON.parse(event), null, 2))

/** All forms of archives, by name. */
const forms: ReadonlyMap<string, string> = new Map([
  ['NDJSON', `${events.join('\n')}\n`],
  ['NDJSON without the last line feed', events.join('\n')],
  ['NDJSON with carriage returns', `${events.join('\r\n')}\r\n`],
  ['NDJSON with a byte order mark', `\ufeff${events.join('\n')}\n`],
  ['an array', `[${events.join(',')}]`],
  ['an array with a byte order mark', `\ufeff[${events.join(',')}]`],
  ['an array with an event per line', `[${events.join(',\n')}]`],
  [
    'a pretty-printed array',
    JSON.stringify(
      events.map((event) => JSON.parse(event) as unknown),
      null,
      4,
    ),
  ],
  ['a pretty-printed array of Windows', `[\r\n${pretty.join(',\r\n').replaceAll('\n', '\r\n')}\r\n]\r\n`],
  [
    'consecutive arrays',
    `[${events.slice(0, 9).join(',')}][${events.slice(9, 10).join(',')}]\n[ ]\n[${events.slice(10).join(',')}]`,
  ],
  ['objects on one line', events.join('')],
  ['pretty-printed objects', pretty.join('\n')],
])

for (const [ending, compress] of compressions) {
  test(`every form of archive yields the same lines${ending && ` as ${ending}`}`, async (t) => {
    const folder = await temporaryFolder(t)
    for (const [form, text] of forms) {
      const name = join(folder, `archive.json${ending}`)
      await writeFile(name, compress(Buffer.from(text)))
      const { chunks, error } = await read(name)
      assert.equal(error, undefined, form)
      assert.deepEqual(
        linesOf(chunks).map((line) => line.replace(/\r$/, '')),
        events,
        form,
      )
      assert.equal(chunks[0]?.origin?.line, 1)
      assert.equal(chunks[0].origin.name, name)
    }
  })
}

test('reads a single event with any white space around it', async (t) => {
  const folder = await temporaryFolder(t)
  const name = join(folder, 'one.json')
  for (const text of [
    events[0],
    `${events[0]}\n`,
    `[${events[0]}]`,
    pretty[0],
    `${pretty[0]}\n`,
    `\n\n ${pretty[0]}`,
  ]) {
    await writeFile(name, text ?? '')
    const { chunks } = await read(name)
    assert.deepEqual(
      linesOf(chunks)
        .filter((line) => line !== '')
        .map((line) => line.trim()),
      [events[0]],
    )
  }
})

test('detects compression by content, not by name', async (t) => {
  const folder = await temporaryFolder(t)
  const text = Buffer.from(events.join('\n'))
  for (const [ending, compress] of compressions) {
    if (ending === '.br') continue
    for (const name of ['plain.json', 'wrong.json.gz', 'wrong.json.br']) {
      if (ending === '' && name.endsWith('.br')) continue
      await writeFile(join(folder, name), compress(text))
      assert.deepEqual(linesOf((await read(join(folder, name))).chunks), events, `${ending} in ${name}`)
    }
  }
})

test('a damaged first line of NDJSON is a line, not the start of another format', async (t) => {
  const name = join(await temporaryFolder(t), 'x.ndjson')
  for (const damaged of ['{"a":"cut', 'nonsense', 'null', '"[', '}{']) {
    await writeFile(name, [damaged, ...events].join('\n'))
    assert.deepEqual(linesOf((await read(name)).chunks), [damaged, ...events])
  }
})

test('the format can be configured', async (t) => {
  const name = join(await temporaryFolder(t), 'x.json')
  await writeFile(name, '[{"a":1}]\n[{"a":2}]\n')
  assert.deepEqual(linesOf((await read(name, { format: 'ndjson' })).chunks), ['[{"a":1}]', '[{"a":2}]'])
  assert.deepEqual(linesOf((await read(name, { format: 'array' })).chunks), ['{"a":1}', '{"a":2}'])
  await writeFile(name, '{"a":1}\nx\n')
  const { chunks, error } = await read(name, { format: 'array' })
  assert.deepEqual(linesOf(chunks), ['{"a":1}'])
  assert.ok(error instanceof SluiceError && error.code === 'INPUT_CORRUPT')
  assert.match(error.message, /x\.json/)
})

test('refuses UTF-16, and names the way out', async (t) => {
  const name = join(await temporaryFolder(t), 'events.json')
  await writeFile(name, Buffer.from(`\ufeff[${events[0]}]`, 'utf16le'))
  const { chunks, error } = await read(name)
  assert.equal(chunks.length, 0)
  assert.ok(error instanceof SluiceError && error.code === 'INPUT_CORRUPT')
  assert.match(error.message, /events\.json" is UTF-16/)
})

test('reads folders recursively and sorted, with known endings only and without hidden files', async (t) => {
  const folder = await temporaryFolder(t)
  const wanted = ['a/1.json', 'a/2.ndjson.gz', 'b.jsonl', 'c.log', 'd.json.br']
  const unwanted = ['e.txt', 'f.json.bak', '.g.json', '.h/i.json', 'json']
  for (const name of [...wanted, ...unwanted]) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    const bytes = Buffer.from(`{"name":"${name}"}\n`)
    const compress = compressions.get(/\.(gz|br)$/.exec(name)?.[0] ?? '')
    await writeFile(join(folder, name), compress?.(bytes) ?? bytes)
  }
  const { chunks } = await read(folder)
  assert.deepEqual(
    linesOf(chunks),
    wanted.map((name) => `{"name":"${name}"}`),
  )
  assert.deepEqual(
    chunks.map(({ origin }) => origin?.name),
    wanted.map((name) => join(folder, name)),
  )
  assert.equal(new Set(chunks.map(({ partition }) => partition)).size, wanted.length)
})

test('globs, lists and names with glob characters find each file once', async (t) => {
  const folder = await temporaryFolder(t)
  for (const name of ['x[1].json', 'x1.json', 'y.txt', 'sub/z.json']) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), `{"name":"${name}"}\n`)
  }
  await symlink(join(folder, 'y.txt'), join(folder, 'link.json'))
  const named = async (...paths: string[]) => {
    const { chunks, error } = await read(paths.map((path) => join(folder, path)))
    assert.equal(error, undefined)
    return linesOf(chunks).map((line) => line.split('"')[3])
  }
  assert.deepEqual(await named('x[1].json'), ['x[1].json'])
  assert.deepEqual(await named('x?.json'), ['x1.json'])
  assert.deepEqual(await named('**/*.{json,txt}'), ['y.txt', 'sub/z.json', 'x1.json', 'x[1].json'])
  assert.deepEqual(await named('y.txt', '*.json', 'sub', 'sub/z.json'), ['y.txt', 'x1.json', 'x[1].json', 'sub/z.json'])
})

test('does not follow cycles of links', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'a'))
  await writeFile(join(folder, 'a', 'x.json'), '{"a":1}\n')
  await symlink('..', join(folder, 'a', 'up'))
  await symlink('.', join(folder, 'a', 'self.json'))
  await symlink(folder, join(folder, 'again'))
  for (const path of [folder, `${folder}/**/*.json`])
    assert.deepEqual(linesOf((await read(path)).chunks), ['{"a":1}'], path)
  await symlink('loop.json', join(folder, 'loop.json'))
  assert.match(
    String((await read(join(folder, 'loop.json'))).error),
    /loop\.json" is a symbolic link that points to itself/,
  )
})

test(
  'a search takes regular files only, and logs what it skips once, with names',
  { skip: process.platform === 'win32', timeout: 20_000 },
  async (t) => {
    const outside = await temporaryFolder(t)
    await writeFile(join(outside, 'secret.json'), '{"secret":1}\n')
    const folder = await temporaryFolder(t)
    await mkdir(join(folder, 'sub'))
    await writeFile(join(folder, 'sub/real-1.LOG'), '{"n":1}\n')
    await writeFile(join(folder, 'UPPER.JSON'), '{"n":2}\n')
    await writeFile(join(folder, 'data.bin'), '{"n":3}\n')
    await writeFile(join(folder, '.hidden.json'), '{"n":4}\n')
    await symlink('sub/real-1.LOG', join(folder, 'current.log'))
    await symlink('data.bin', join(folder, 'named.json'))
    await symlink('gone.json', join(folder, 'dangling.json'))
    await symlink('loop.json', join(folder, 'loop.json'))
    await symlink(join(outside, 'secret.json'), join(folder, 'out.json'))
    await symlink(outside, join(folder, 'outside'))
    await symlink('/dev/zero', join(folder, 'zero.json'))
    execFileSync('mkfifo', [join(folder, 'fifo.json')])
    for (const path of [folder, `${folder}/`, `${folder}/**/*`]) {
      const { chunks, error, notes } = await read(path)
      assert.equal(error, undefined)
      const isFolder = !path.includes('*')
      assert.deepEqual(linesOf(chunks).toSorted(), ['{"n":1}', '{"n":2}', '{"n":3}'], path)
      const about = (text: string) => notes.filter((note) => note.includes(text)).length
      assert.equal(about('links that lead nowhere'), 1, path)
      assert.equal(about('links that lead out of the searched folder'), 1, path)
      assert.equal(about('FIFOs, sockets and devices'), 1, path)
      assert.equal(about('hidden files'), isFolder ? 1 : 0, path)
      assert.equal(about('files without a known ending'), isFolder ? 1 : 0, path)
    }
    await rm(join(folder, 'sub'), { recursive: true })
    for (const name of ['UPPER.JSON', 'named.json', 'data.bin']) await rm(join(folder, name))
    const { error } = await read(folder)
    assert.ok(error instanceof SluiceError && error.code === 'FILE_NOT_FOUND')
    assert.match(error.hint ?? '', /links that lead out of the searched folder: .*out\.json/)
  },
)

test(
  'a file whose name is not UTF-8 is a failure, and not skipped as a link that leads nowhere',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(Buffer.from(`${folder}/pr\xfcfung.json`, 'latin1'), '{"n":1}\n')
    for (const path of [folder, `${folder}/*.json`]) {
      const { error, notes } = await read(path)
      assert.ok(error instanceof SluiceError && error.code === 'FILE_NOT_FOUND')
      assert.match(error.message, /fung\.json" is not UTF-8/)
      assert.match(error.hint ?? '', /rename/)
      assert.deepEqual(notes, [])
    }
  },
)

test(
  'a path that names a file may be a link to anywhere; a device is refused',
  { skip: process.platform === 'win32' },
  async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'x.data'), '{"n":1}\n')
    await symlink(join(folder, 'x.data'), join(folder, 'link'))
    assert.deepEqual(linesOf((await read(join(folder, 'link'))).chunks), ['{"n":1}'])
    const { error } = await read('/dev/zero')
    assert.ok(error instanceof SluiceError && error.code === 'FILE_NOT_FOUND')
    assert.match(error.message, /"\/dev\/zero" is a device/)
    assert.deepEqual(linesOf((await read('/dev/null')).chunks), [])
  },
)

test('a path that matches no file is an error that names the path', async (t) => {
  const folder = await temporaryFolder(t)
  for (const [path, message] of [
    ['missing.json', /missing\.json" does not exist/],
    ['*.json', /no file matches ".*\*\.json"/],
    ['', /no file in ".*" ends in \.json/],
    ['missing.json/x', /missing\.json\/x" does not exist/],
  ] as const) {
    const { chunks, error } = await read(join(folder, path))
    assert.equal(chunks.length, 0)
    assert.ok(error instanceof SluiceError && error.code === 'FILE_NOT_FOUND', path)
    assert.match(error.message, message)
  }
})

test('names a file that disappears before it is read, after reading those before it', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, '1.json'), '{"a":1}\n')
  await writeFile(join(folder, '2.json'), '{"a":2}\n')
  const lines: string[] = []
  await assert.rejects(
    async () => {
      for await (const chunk of start(folder)) {
        lines.push(...linesOf([chunk]))
        await rm(join(folder, '2.json'))
      }
    },
    { code: 'FILE_NOT_FOUND', message: /2\.json" does not exist/ },
  )
  assert.deepEqual(lines, ['{"a":1}'])
})

test('an unreadable file or folder is named in the error', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'closed'), { mode: 0 })
  await writeFile(join(folder, 'closed.json'), '{}', { mode: 0 })
  await chmod(folder, 0o755)
  // Root can read everything, so another user must read.
  const root = process.getuid?.() === 0
  if (root) process.seteuid?.(65_534)
  try {
    for (const [path, message] of [
      [join(folder, 'closed.json'), /closed\.json" cannot be read: permission denied/],
      [folder, /\/closed" cannot be read: permission denied/],
      [join(folder, '**/*.json'), /\/closed\/?" cannot be read: permission denied/],
    ] as const) {
      const { error } = await read(path)
      assert.ok(error instanceof SluiceError && error.code === 'FILE_NOT_FOUND')
      assert.match(error.message, message)
    }
  } finally {
    if (root) process.seteuid?.(0)
  }
})

test('reads empty files silently', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.json'), '')
  await writeFile(join(folder, 'b.json.br'), '')
  await writeFile(join(folder, 'c.json.gz'), gzipSync(''))
  await writeFile(join(folder, 'd.json'), '\n')
  const { chunks, error, notes } = await read(folder)
  assert.equal(error, undefined)
  assert.deepEqual(linesOf(chunks).join(''), '')
  assert.deepEqual(notes, [])
})

test('reports overlong lines in their place', async (t) => {
  const folder = await temporaryFolder(t)
  const long = JSON.stringify({ a: 'x'.repeat(2 << 20) })
  for (const text of [`{"n":1}\n${long}\n{"n":3}\n`, `[{"n":1},${long},{"n":3}]`]) {
    for (const [ending, compress] of compressions) {
      const name = join(folder, `long.json${ending}`)
      await writeFile(name, compress(Buffer.from(text)))
      const { chunks } = await read(name)
      assert.deepEqual(linesOf(chunks), ['{"n":1}', '{"n":3}'])
      assert.deepEqual(
        chunks.flatMap(({ skipped = [] }) => skipped.map(({ line, length }) => [line, length])),
        [[2, long.length]],
      )
    }
  }
})

test('the sizes of all chunks add up to the size of the files, also when compressed', async (t) => {
  const folder = await temporaryFolder(t)
  const text = `${events.join('\n')}\n`.repeat(200)
  for (const [ending, compress] of compressions)
    await writeFile(join(folder, `x.json${ending}`), compress(Buffer.from(text)))
  const { chunks } = await read(folder)
  const total = await createSource(folder).total?.()
  assert.equal(linesOf(chunks).length, compressions.size * 200 * events.length)
  assert.ok(total?.bytes !== undefined && total.bytes > text.length)
  assert.equal(
    chunks.reduce((sum, { sourceBytes = 0 }) => sum + sourceBytes, 0),
    total.bytes,
  )
  assert.equal(await createSource([folder, '-']).total?.(), undefined)
})

test('chunks do not change while later ones are read', async (t) => {
  const name = join(await temporaryFolder(t), 'x.ndjson')
  const lines = Array.from({ length: 40_000 }, (_, i) => JSON.stringify({ i, text: 'x'.repeat(i % 100) }))
  await writeFile(name, lines.join('\n'))
  const { chunks } = await read(name)
  assert.ok(chunks.length > 3)
  assert.deepEqual(linesOf(chunks), lines)
})

test('an abort ends reading', async (t) => {
  const folder = await temporaryFolder(t)
  const text = `${events.join('\n')}\n`.repeat(400)
  for (const [ending, compress] of compressions) {
    const name = join(folder, `x.json${ending}`)
    await writeFile(name, compress(Buffer.from(text)))
    const stop = new AbortController()
    let chunks = 0
    for await (const chunk of start([name, folder], { signal: stop.signal })) {
      assert.ok(chunk.bytes !== undefined)
      chunks++
      stop.abort()
    }
    // A chunk that was already split may yield one more.
    assert.ok(chunks <= 2, `${chunks} chunks`)
  }
})

test('follows new lines and new files, and reads a line only once it is complete', { timeout: 30_000 }, async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'a.log'), '{"n":1}\n{"n":')
  const stop = new AbortController()
  t.after(() => stop.abort())
  const chunks = start(folder, { signal: stop.signal }, [], true)[Symbol.asyncIterator]()
  const nextLines = async () => {
    const { value, done } = await chunks.next()
    return done === true ? 'the end' : linesOf([value])
  }
  assert.deepEqual(await nextLines(), ['{"n":1}'])
  await writeFile(join(folder, 'a.log'), '2}\n', { flag: 'a' })
  assert.deepEqual(await nextLines(), ['{"n":2}'])
  await writeFile(join(folder, 'new'), '[{"n":3},{"n":4}')
  await rename(join(folder, 'new'), join(folder, 'b.json'))
  assert.deepEqual(await nextLines(), ['{"n":3}', '{"n":4}'])
  await writeFile(join(folder, 'b.json'), ',{"n":5}]', { flag: 'a' })
  assert.deepEqual(await nextLines(), ['{"n":5}'])
  const ending = nextLines()
  stop.abort()
  assert.equal(await ending, 'the end')
})

test('follows a file through rotations: by renaming, and by copying and truncating', { timeout: 30_000 }, async (t) => {
  const folder = await temporaryFolder(t)
  const name = join(folder, 'app.log')
  await writeFile(name, '{"n":1}\n{"n":')
  const stop = new AbortController()
  t.after(() => stop.abort())
  const chunks = start(name, { signal: stop.signal }, [], true)[Symbol.asyncIterator]()
  const nextLines = async (count: number) => {
    const lines: string[] = []
    while (lines.length < count) {
      const { value, done } = await chunks.next()
      if (done === true) return 'the end'
      lines.push(...linesOf([value]))
    }
    return lines
  }
  assert.deepEqual(await nextLines(1), ['{"n":1}'])
  // The writer completes a line in the old file, and opens the new one.
  await writeFile(name, '2}\n', { flag: 'a' })
  await rename(name, `${name}.1`)
  await writeFile(name, '{"n":4}\n')
  assert.deepEqual(await nextLines(2), ['{"n":2}', '{"n":4}'])
  await writeFile(`${name}.1`, '{"n":3}\n', { flag: 'a' })
  assert.deepEqual(await nextLines(1), ['{"n":3}'])
  // A writer that does not append continues at its old offset.
  await writeFile(name, Buffer.concat([Buffer.alloc(8), Buffer.from('{"n":5}\n')]))
  assert.deepEqual(await nextLines(1), ['{"n":5}'])
  const ending = nextLines(1)
  stop.abort()
  assert.equal(await ending, 'the end')
})
