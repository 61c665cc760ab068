import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice, MemberPath, RecordPath } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import { reaches } from '../record/paths/reaches.ts'
import { findingsOf } from './parse/findings.ts'
import { separatorsOf } from './parse/formats.ts'
import { Parser } from './parse/parser.ts'

/**
 * Replaces texts by the values that are written in them. A value of JSON keeps its spelling, with all
 * digits of its numbers. Values that are no text stay as they are, and so do rejected records.
 */
export default defineTransform({
  type: 'parse',
  summary: 'Parses JSON, key=value pairs or a URL query in a text.',
  fields: {
    path: RecordPath({
      description:
        'The text to parse. Wildcards are allowed without `to`, except `**`. A member that is absent or is no text stays as it is.',
    }),
    format: Choice(['json', 'keyValue', 'query'], {
      default: 'json',
      description:
        '`json`: any JSON value. `keyValue`: pairs such as `level=info msg="signed in"` (logfmt). `query`: a URL query such as `?q=a%20b&page=2`, also as part of a URL. Values of pairs and queries are texts; those of a key that is repeated become a list.',
    }),
    to: Type.Optional(
      MemberPath({
        description:
          'The member that gets the value; the text stays. Without it, the value replaces the text. Objects on the way that are missing, or null, are made.',
      }),
    ),
    merge: Type.Boolean({
      default: false,
      description:
        'Puts the members of the value into the record itself, in place of the text. A record that has one of them already is rejected with KEY_EXISTS, a value that is no object is an error.',
    }),
    pairSeparator: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'For `keyValue`: what is between two pairs, for example `,` or `;`. Default: a single space, which stands for any whitespace.',
      }),
    ),
    keySeparator: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'For `keyValue`: what is between a key and its value. Default: `=`.',
      }),
    ),
    onError: Choice(['reject', 'leave'], {
      default: 'reject',
      description:
        'What to do with a text of another format: `reject` the record with PARSE_FAILED, or `leave` the text as it is.',
    }),
  },
  examples: [
    { title: 'JSON in a text', config: { path: 'payload' } },
    {
      title: 'The bodies of a list of messages, as far as they are JSON',
      config: { path: 'messages[*].body', onError: 'leave' },
    },
    { title: 'The members of a JSON text, in the record itself', config: { path: 'message', merge: true } },
    {
      title: 'A line of logfmt, beside the line itself',
      config: { path: 'message', format: 'keyValue', to: 'fields' },
    },
    {
      title: 'Pairs with other separators',
      config: { path: 'attributes', format: 'keyValue', pairSeparator: ';', keySeparator: ':' },
    },
    { title: 'The query of a request', config: { path: 'request.url', format: 'query', to: 'request.query' } },
  ],
  check: (config) => findingsOf(config),
  effectOn(config, targets) {
    const { path, format, to = path, merge, onError } = config
    if (!merge && !targets.some((target) => reaches(to, target))) return undefined
    const separators = format === 'keyValue' ? separatorsOf(config) : null
    return { settings: { path, format, to, merge, onError, separators } }
  },
  shape: ({ path, to, merge }) => ({ writes: [{ path: merge ? '*' : (to ?? path), from: [path] }] }),
  reusesBuffers: true,
  create(config, { paths, stage }) {
    const parser = new Parser(config, paths)
    return {
      batch(batch) {
        const live: number[] = []
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] === RecordState.live) live.push(record)
        }
        const first = parser.read(batch, live)
        for (const [at, record] of live.entries()) {
          if (first[at] === first[at + 1]) continue
          const refusal = parser.write(batch, record, first[at], first[at + 1])
          if (refusal !== undefined) batch.reject(record, refusal.code, stage, refusal.detail)
        }
      },
      ruleMatches: () => [{ rule: `path ${config.path}`, matches: parser.count }],
    }
  },
})
