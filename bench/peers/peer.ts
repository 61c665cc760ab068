import { MAIN } from '../../test/support/paths.ts'

/** Where a job writes: uncompressed files, gzip files, or gzip objects in S3. */
export type Output = 'plain' | 'gzip' | 's3'

/** A program that does the job of this folder, as one line of bash. */
export interface Peer {
  readonly name: string
  /** The first of these that is on the PATH is used. */
  readonly binaries: readonly string[]
  /** Prints the version. */
  readonly version: string
  /**
   * The line for each output. It finds the program in BINARY, this folder in PEERS, the input in
   * INPUT, and an empty folder for all its files in OUT; for S3, the AWS_ variables.
   */
  readonly lines: { readonly [output in Output]?: string }
  /** What it cannot do of the job, or does in another way. */
  readonly cannot: readonly string[]
  /** Written from the documentation: nobody here has run it. */
  readonly isUntried?: true
}

const vector = (output: Output): string =>
  `mkdir "$OUT/.vector"; "$BINARY" --quiet --config "$PEERS/vector.yaml" --config "$PEERS/vector-${output}.yaml" < "$INPUT"`
const connect = (output: Output): string =>
  `cat "$PEERS/redpanda-connect.yaml" "$PEERS/redpanda-connect-${output}.yaml" > "$OUT/job.yaml"; ` +
  `"$BINARY" run "$OUT/job.yaml"; rm "$OUT/job.yaml"`
const fluentBit = (output: Output): string =>
  `cat "$PEERS/fluent-bit.yaml" "$PEERS/fluent-bit-${output}.yaml" > "$OUT/job.yaml"; ` +
  `"$BINARY" -c "$OUT/job.yaml"; rm "$OUT/job.yaml"`
const duckdb = (file: string, options: string): string =>
  `"$BINARY" -c ".read $PEERS/duckdb.sql" ` +
  `-c "COPY job TO '$OUT/${file}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01'${options})"`
const sluice = (file: string, settings: string): string =>
  `"$BINARY" "${MAIN}" backfill "$PEERS/${file}" "$INPUT" --state "$OUT/.state" ${settings} $SLUICE_ARGS`
const once = `awk -F '\\t' '!seen[$1]++ { print substr($0, length($1) + 2) }'`
const jq = `"$BINARY" -r -f "$PEERS/jq.jq" "$INPUT" | ${once}`
const miller = `"$BINARY" --ijsonl --ojsonl put -f "$PEERS/miller.mlr" then head -n 1 -g id "$INPUT"`

export const peers: readonly Peer[] = [
  {
    name: 'Sluice',
    binaries: [process.execPath],
    version: `"$BINARY" "${MAIN}" --version | cut -d, -f1,2`,
    lines: {
      plain: sluice('sluice.yaml', '--set sink.path="$OUT/out"'),
      gzip: sluice(
        'sluice.yaml',
        '--set sink.path="$OUT/out" --set sink.compression=gzip --set sink.compressionLevel=6',
      ),
      s3: sluice('sluice-s3.yaml', ''),
    },
    cannot: ['joins, aggregation and SQL'],
  },
  {
    name: 'jq',
    binaries: ['jq'],
    version: '"$BINARY" --version',
    lines: { plain: `${jq} > "$OUT/out.ndjson"`, gzip: `${jq} | gzip -6 > "$OUT/out.ndjson.gz"` },
    cannot: [
      'S3',
      'stops at the first line that is not JSON',
      'deduplication, which awk does here: keys in memory, for one run only',
      'no commit: a killed run starts over, and leaves half a file',
      'numbers above 2^53 lose digits',
    ],
  },
  {
    name: 'Miller',
    binaries: ['mlr'],
    version: '"$BINARY" --version',
    lines: { plain: `${miller} > "$OUT/out.ndjson"`, gzip: `${miller} | gzip -6 > "$OUT/out.ndjson.gz"` },
    cannot: [
      'S3',
      'JSON Schema',
      'stops at the first line that is not JSON',
      'keys in memory, for one run only',
      'no commit: a killed run starts over, and leaves half a file',
      'numbers above 2^64 become strings',
    ],
  },
  {
    name: 'DuckDB',
    binaries: ['duckdb'],
    version: '"$BINARY" --version | cut -d" " -f1',
    lines: { plain: duckdb('out.ndjson', ''), gzip: duckdb('out.ndjson.gz', ', COMPRESSION gzip') },
    cannot: [
      'S3 without the extension httpfs, which it downloads',
      'JSON Schema',
      'keeps no order, and moves masked members to the end of a record',
      'lines that are not JSON: ends, or skips them without a report',
      'no commit across runs: duplicates of earlier runs need a table',
    ],
  },
  {
    name: 'Redpanda Connect',
    binaries: ['redpanda-connect', 'benthos'],
    version: 'echo "$(basename "$BINARY") $("$BINARY" --version | head -1 | cut -d" " -f2)"',
    lines: { plain: connect('plain'), gzip: connect('gzip'), s3: connect('s3') },
    cannot: [
      'keys in memory, for one run only (or in a cache such as Redis, which voids at-least-once)',
      'a file source starts over after a crash',
      'a line longer than a limit (64 KiB by default) ends the input, with status 0',
      'sorts the members of each record',
      'S3: benthos, its core, has no aws_s3',
    ],
  },
  {
    name: 'Vector',
    binaries: ['vector'],
    version: '"$BINARY" --version',
    lines: { plain: vector('plain'), gzip: vector('gzip'), s3: vector('s3') },
    cannot: [
      'JSON Schema',
      'keys in memory, for one run only; the oldest are forgotten without a report',
      'at-least-once: duplicates after a crash',
    ],
    isUntried: true,
  },
  {
    name: 'Fluent Bit',
    binaries: ['fluent-bit'],
    version: '"$BINARY" --version | head -1',
    lines: { plain: fluentBit('plain'), s3: fluentBit('s3') },
    cannot: [
      'gzip files (gzip in S3 only)',
      'JSON Schema',
      'deduplication, which is Lua code here: keys in memory, for one run only',
      'Lua makes a double of every number',
      'at-least-once: duplicates after a crash',
    ],
    isUntried: true,
  },
]
