import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { openPipeline } from 'sluice'
import { pick } from 'stream-json/filters/pick.js'
import { parser } from 'stream-json/parser.js'
import { stringer } from 'stream-json/stringer.js'

/**
 * Writes the records of a document of any size with `pipelines/events.yaml`. `stream-json` picks
 * them: here the elements of all arrays `accounts.*.events`. As text, because as objects it would
 * round numbers such as 9007199254740993.
 */
export async function writeRecords(document: string, folder: string): Promise<void> {
  const events = await openPipeline('events', { folder })
  await pipeline(
    createReadStream(document),
    parser.asStream(),
    pick.asStream({ filter: /^accounts\.[^.]+\.events\.\d+$/ }),
    // One object after another, without line feeds.
    stringer.asStream({ useNumberValues: true }),
    events.writable({ format: 'array' }),
  )
}
