import { readFile } from 'node:fs/promises'
import { eventNames } from '../observe/bus/channels.ts'
import { HEADER, tableOf } from './pages.ts'

/** The types of the messages, below the working directory: their comments are the documentation. */
const TYPES = 'src/observe/bus/events.ts'

/** The page with all channels and the members of their messages, in Markdown. */
export async function eventsPage(): Promise<string> {
  const types = await readFile(TYPES, 'utf8')
  const interfaces = new Map(interfacesIn(types).map((one) => [one.name, one]))
  const named = (name: string): Interface => {
    const found = interfaces.get(name)
    if (found) return found
    throw new Error(`${TYPES} has no interface ${name}`)
  }
  const membersOf = ({ parents, members }: Interface): Interface['members'] => [
    ...parents.filter((parent) => parent !== 'OfRun').flatMap((parent) => membersOf(named(parent))),
    ...members,
  ]
  const parts = new Set<string>()
  const sectionOf = (name: string, type: Interface): string => {
    const rows = membersOf(type).map(({ member, type: text, about }) => {
      const part = text.replace(/\[\]$/, '')
      if (interfaces.has(part)) parts.add(part)
      return [`\`${member}\``, text === '' ? 'object' : `\`${text}\``, about]
    })
    const table = rows.length === 0 ? [] : [tableOf(['member', 'type', 'meaning'], rows)]
    return [`### \`${name}\``, ...(type.about === '' ? [] : [type.about]), ...table].join('\n\n')
  }
  const channels = eventNames.map((name) => {
    const type = new RegExp(`'${name}': (\\w+)`).exec(types)?.[1] ?? ''
    return sectionOf(name, named(type))
  })
  const shared = [...parts].map((name) => sectionOf(name, named(name)))
  return [HEADER, INTRODUCTION, '## Channels', EVERY, ...channels, '## Parts of messages', ...shared].join('\n\n')
}

interface Interface {
  readonly name: string
  readonly parents: readonly string[]
  readonly about: string
  readonly members: readonly { readonly member: string; readonly type: string; readonly about: string }[]
}

/** The file is formatted: an interface ends with a brace at the start of a line, or is one line. */
function interfacesIn(text: string): Interface[] {
  const pattern =
    /(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\n)?(?:export )?interface (\w+)(?: extends ([\w, ]+))? \{(?:\}|\n([^]*?)\n\})/g
  return [...text.matchAll(pattern)].map(([, about = '', name, parents = '', body = '']) => ({
    name,
    parents: parents.split(', ').filter((parent) => parent !== ''),
    about: plainText(about),
    members: membersIn(body),
  }))
}

function membersIn(body: string): Interface['members'] {
  const pattern = /(?:^ {2}\/\*\*((?:(?!\*\/)[^])*)\*\/\n)?^ {2}readonly (\w+)(\??):(.*)$/gm
  return [...body.matchAll(pattern)].map(([, about = '', member, optional, type]) => ({
    member: member + optional,
    type: typeText(type),
    about: plainText(about),
  }))
}

/** Empty for a type of several lines. */
function typeText(text: string): string {
  const type = text
    .replace(/ \| undefined$/, '')
    .replaceAll('readonly ', '')
    .trim()
  return type === '' || /[{[]$/.test(type) ? '' : type
}

function plainText(comment: string): string {
  return comment
    .replaceAll(/\n\s*\*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

const INTRODUCTION = `# Events

A run publishes what it does on \`node:diagnostics_channel\`: what it reads, how long each stage takes,
what is committed and published, each retry and wait. The log, the live view and the callbacks
\`log\` and \`onProgress\` subscribe there, and so can a program that runs pipelines:

\`\`\`ts
// count.ts
import { openPipeline, subscribe } from 'sluice'

let written = 0
const unsubscribe = subscribe('sluice:epoch:commit', (commit) => {
  written += commit.written
})
await (await openPipeline('events')).run()
unsubscribe()
\`\`\`

\`subscribe(channel, listener, filter)\` knows the type of each message; \`filter\` is
\`{ pipeline: 'events' }\`, or \`{ run }\` of a message. \`eventNames\` lists the channels. The types are
exported: \`Events['sluice:epoch:commit']\`, or \`EpochCommit\`. Without \`sluice\`, subscribe with the
channel's name: \`diagnostics_channel.subscribe('sluice:epoch:commit', (message) => {})\`.

- **When.** A listener is called at once, while the run waits for it. Keep it short: add to a counter,
  put the message into a queue.
- **Errors.** A listener of \`subscribe\` never ends a run. Its first error, or the first rejection of
  its promise, becomes a warning of the process with the code \`SLUICE_SUBSCRIBER\`. A listener of
  \`diagnostics_channel\` itself that throws ends the process: Node.js makes it an uncaught exception.
- **Which run.** Each message has the name of its \`pipeline\` and the id of its \`run\`. Two runs of one
  pipeline have two ids. \`sluice reload\` ends one run and begins the next, in the same process.
- **Once.** A pipeline file, the streams \`source\`, \`transform\` and \`sink\`, and the parts \`readable\`,
  \`duplex\` and \`writable\` publish alike, and each thing once. \`preview\`, \`check\`, a plan and tests of
  transforms publish nothing.
- **What is durable.** \`sluice:epoch:commit\` and \`sluice:object:publish\` say what is durable: their sums
  are the report and the ledger, also after a crash. \`source\`, \`stage\` and \`delivery\` say what
  happens now. A crash before the next commit lets the next run read, and publish, the same again.
- **Over all runs.** \`sluice:state:open\` has the sums of the runs before, from the state. With each
  \`sluice:epoch:commit\` added, they are those of the state, whatever kills the process.
- **Secrets.** No message has content of a record, and secrets in texts are hidden, as in the log. Keys
  of objects may have values of records, as their templates say.
- **Threads.** A channel belongs to one thread. The threads of \`parallel\` are a part of their stage.
  Of the shards of a parallel backfill, the coordinator publishes commits, published objects, what
  happens to each shard, its progress, and the sums of its chunks and batches when its execution is
  over (\`sluice:shard:work\`). With \`--workers\` it also publishes the log lines of the threads; those
  of \`sluice worker\` are in the log of that worker. Requests, chunks and batches of a shard are published
  one by one in the thread that executes it, where only code of the pipeline could listen.
- **Cost.** A channel without listeners costs one look at a flag for each chunk or batch. The clock is
  read, and the message made, if somebody listens. Nothing is done for each record. Messages for each
  chunk and batch cost 2 to 3 % of the speed: for sums and rates, listen to \`sluice:run:work\`, as
  the metrics, the live view and the progress line do.
- **Stability.** \`version\` in \`sluice:run:start\` is 1. New channels and members may come without a
  notice; removing or changing one raises the version, and is a breaking change of the package.

Times that a member does not describe otherwise are milliseconds. Moments are milliseconds since 1970.
A member with \`?\` may be undefined.`

const EVERY = 'Each message has `pipeline` and `run` too.'
