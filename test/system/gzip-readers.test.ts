import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openWorkspace } from '../support/command.ts'

const run = promisify(execFile)
const LINES = 20_000

/** Counts the lines of the object FILE, in the simplest way that the language offers. */
interface Reader {
  readonly name: string
  /** Succeeds if the reader is on this machine. */
  readonly present: readonly string[]
  readonly command: (file: string, folder: string) => readonly string[]
}

const readers: readonly Reader[] = [
  {
    name: 'gzip',
    present: ['gzip', '--version'],
    command: (file) => ['sh', '-c', `gzip -t ${file} && gzip -dc ${file} | wc -l`],
  },
  { name: 'zcat', present: ['zcat', '--version'], command: (file) => ['sh', '-c', `zcat ${file} | wc -l`] },
  {
    name: 'Python, zlib in one call',
    present: ['python3', '-c', 'import zlib'],
    command: (file) => [
      'python3',
      '-c',
      `import zlib; print(zlib.decompress(open(${JSON.stringify(file)}, 'rb').read(), 31).count(b'\\n'))`,
    ],
  },
  {
    name: 'Python, gzip',
    present: ['python3', '-c', 'import gzip'],
    command: (file) => ['python3', '-c', `import gzip; print(len(gzip.open(${JSON.stringify(file)}).readlines()))`],
  },
  {
    name: 'Perl, IO::Uncompress::Gunzip',
    present: ['perl', '-MIO::Uncompress::Gunzip', '-e', '1'],
    command: (file) => [
      'perl',
      '-MIO::Uncompress::Gunzip=gunzip',
      '-e',
      'gunzip $ARGV[0] => \\my $text or die; print $text =~ tr/\\n//',
      file,
    ],
  },
  {
    name: 'Java, GZIPInputStream',
    present: ['java', '--version'],
    command: (file, folder) => ['java', join(folder, 'Count.java'), file],
  },
  {
    name: 'Go, gzip.Reader',
    present: ['go', 'version'],
    command: (file, folder) => ['go', 'run', join(folder, 'count.go'), file],
  },
  {
    name: 'DuckDB',
    present: ['duckdb', '--version'],
    command: (file) => ['duckdb', '-noheader', '-list', '-c', `select count(*) from read_ndjson('${file}')`],
  },
]

test('other programs read every line of a gzip object, also those that read one member', async (t) => {
  const workspace = await openWorkspace(t)
  const lines = Array.from({ length: LINES }, (_, id) => `{"id":${id},"text":"${randomBytes(80).toString('hex')}"}\n`)
  await workspace.write('in.ndjson', lines.join(''))
  await workspace.write('pipelines/p.yaml', PIPELINE)
  await workspace.write('Count.java', COUNT_JAVA)
  await workspace.write('count.go', COUNT_GO)
  await workspace.report(['run', 'p'])
  const [name] = await readdir(workspace.path('out', 'p'))
  const file = workspace.path('out', 'p', name)
  assert.ok((await readFile(file)).length > 1 << 20)
  for (const { name: reader, present, command } of readers) {
    await t.test(reader, async (context) => {
      const [program, ...options] = present
      const [found] = await Promise.allSettled([run(program, options)])
      if (found.status === 'rejected') {
        context.skip(`${program} is not on this machine`)
        return
      }
      const [executable, ...args] = command(file, workspace.folder)
      const { stdout } = await run(executable, args, { cwd: workspace.folder })
      assert.equal(Number(stdout), LINES)
    })
  }
})

const PIPELINE = `
source:
  type: file
  path: in.ndjson
sink:
  type: file
  path: out
  key: '{pipeline}'
`

const COUNT_JAVA = `
import java.io.*;
import java.util.zip.GZIPInputStream;
class Count {
  public static void main(String[] args) throws IOException {
    var input = new GZIPInputStream(new FileInputStream(args[0]));
    System.out.println(new BufferedReader(new InputStreamReader(input)).lines().count());
  }
}
`

const COUNT_GO = `package main

import ("bufio"; "compress/gzip"; "fmt"; "os")

func main() {
	file, _ := os.Open(os.Args[1])
	reader, err := gzip.NewReader(file)
	if err != nil { panic(err) }
	reader.Multistream(false)
	lines := bufio.NewScanner(reader)
	count := 0
	for lines.Scan() { count++ }
	if err := lines.Err(); err != nil { panic(err) }
	fmt.Println(count)
}
`
