import type { MessageInfo } from '../observe/messages/info.ts'
import { messages } from '../observe/messages/table.ts'
import { HEADER, tableOf } from './pages.ts'

/** The page with all messages of the log, in Markdown. */
export function logPage(): string {
  const rows = Object.entries<MessageInfo>(messages).map(([code, info]) => [code, info] as const)
  const sections = AREAS.flatMap(({ title, areas }) => {
    const those = rows.filter(([code]) => areas.includes(areaOf(code)))
    return [`## ${title}`, ...those.map(([code, info]) => section(code, info))]
  })
  const left = rows.filter(([code]) => !AREAS.some(({ areas }) => areas.includes(areaOf(code))))
  if (left.length > 0) throw new Error(`log-page.ts: no section has ${left.map(([code]) => code).join(', ')}`)
  return [HEADER, INTRODUCTION, ...sections].join('\n\n')
}

/** The first word of the code. */
const AREAS = [
  {
    title: 'The run and the process',
    areas: ['run', 'schedule', 'metrics', 'ui', 'process', 'config', 'component', 'scanner', 'rule'],
  },
  { title: 'Reading', areas: ['source', 'input', 'file', 's3', 'replica'] },
  { title: 'Transforms', areas: ['lookup', 'exec', 'dedup'] },
  { title: 'Commit and publishing', areas: ['epoch', 'object', 'outbox', 'sink', 'store', 'state'] },
  { title: 'Rejects', areas: ['rejects', 'records', 'record', 'replay'] },
  { title: 'Parallel backfills', areas: ['shards', 'shard', 'backfill', 'queue', 'worker'] },
]

function areaOf(code: string): string {
  return code.split('.')[0]
}

function section(code: string, { level, text, about, action, facts = {} }: MessageInfo): string {
  const rows = Object.entries(facts).map(([name, meaning]) => [`\`${name}\``, meaning])
  return [
    `### \`${code}\``,
    `\`${level}\`: ${quoted(text)}`,
    action === undefined ? about : `${about} **What to do:** ${action}`,
    ...(rows.length === 0 ? [] : [tableOf(['fact', 'meaning'], rows)]),
  ].join('\n\n')
}

/** A text that is one fact has nothing to quote. */
function quoted(text: string): string {
  return /^\{\w+\}$/.test(text) ? `the text is the fact \`${text.slice(1, -1)}\`.` : `“${text.replaceAll('<', '\\<')}”`
}

const INTRODUCTION = `# The log

\`sluice run\`, \`backfill\`, \`rejects replay\` and \`worker\` write their log to stderr, one line for each
message. The text of a message may change; its code stays. Search and alert by code.

| option | variable | values |
| --- | --- | --- |
| \`--log-level\` | \`SLUICE_LOG_LEVEL\` | \`trace\`, \`debug\`, \`info\` (default), \`warn\`, \`error\`, \`silent\` |
| \`--log-format\` | \`SLUICE_LOG_FORMAT\` | \`pretty\` (default), \`json\` |

\`--json\` is \`--log-format json\`, and the report at the end is printed too, as one line of JSON. An
option takes precedence over its variable.

\`pretty\` is for people: time, level, text, and the facts that the text does not have. With several
pipelines the name of the pipeline precedes the text.

\`\`\`text
2026-11-29T09:14:03.120Z warn  request failed, retrying partition=okta:acme error=SOURCE_UNAVAILABLE …
\`\`\`

\`json\` has these fields in each line, and the facts of the message as further fields:

| field | meaning |
| --- | --- |
| \`level\` | As text. |
| \`time\` | When it was written, in UTC (ISO 8601). |
| \`pipeline\`, \`run\` | Name of the pipeline, and id of the run. Absent in lines about the process. |
| \`stage\` | The stage that the line is about, if it is about one, as in reports. |
| \`code\` | The message, as in the list below. |
| \`message\` | The text. |

\`\`\`json
{"level":"info","time":"2026-11-29T09:14:05.002Z","pipeline":"okta","run":"0b3f…","code":"object.published",
 "sink":"s3","key":"events/dt=2026-11-29/….ndjson.gz","epoch":12,"records":48211,"bytes":3120553,
 "attempts":1,"isRecovered":false,"milliseconds":412,"message":"object published"}
\`\`\`

(A line is one line; here it is wrapped.)

- **Content.** No line has content of a record, and secrets are hidden. Keys of objects may have values
  of records, as their templates say. What a program of \`exec\` writes to its stderr, and what custom
  code logs, is theirs.
- **On a terminal** the lines of published objects and of the start and end of a run are left out at the
  level \`info\`: the progress and the report show them.
- **Warnings** of Node.js, the AWS SDK and other libraries are lines too (\`process.warning\`).
- **With \`json\`** everything on stderr is a line of JSON once the pipelines are loaded, also the error
  that ends the command (\`process.failed\`). What is wrong with the command line or with a pipeline file
  is text for people, before that.
- **In a program** \`log\` of [\`openPipeline\`](use-from-code.md) gets the lines of the level \`info\` and
  above, each with its code and level. Custom components write lines with \`note\`
  (\`component.note\`).
- Lines are written at once, by the process itself. A log that cannot be written does not end a run.

A fact with \`?\` may be absent.`
