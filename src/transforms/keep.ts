import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { RecordPath } from '../fields/fields.ts'
import { covers } from '../record/paths/reaches.ts'
import { createKeeper } from './keep/keeper.ts'
import { findingsOf } from './members/path-findings.ts'

/**
 * Removes everything from live records that is not on a list. It fails closed: a value that the list
 * does not describe goes, also where a record has another shape than the list expects.
 *
 * Rejected records stay as they are, as with `remove`.
 */
export default defineTransform({
  type: 'keep',
  summary: 'Keeps the listed members of records and removes all others.',
  fields: {
    paths: Type.Array(RecordPath({ description: 'A path.' }), {
      minItems: 1,
      description:
        'Paths of the values to keep, each with everything inside it; wildcards are allowed. Objects and arrays on the way to a path stay, with nothing else in them, even if they become empty. A text or number in their place is removed.',
    }),
  },
  examples: [
    { title: 'Four members', config: { paths: ['id', 'timestamp', 'event_type', 'initiated_by.email'] } },
    { title: 'Some members of every array element', config: { paths: ['id', 'changes[*].{field,to}', 'labels.*'] } },
  ],
  check: ({ paths }) => findingsOf(paths, 'keeps all members'),
  effectOn({ paths }, targets) {
    const changes = targets.some((target) => !paths.some((path) => covers(path, target)))
    return changes ? { settings: { paths: paths.toSorted() } } : undefined
  },
  shape: ({ paths }) => ({ keeps: paths }),
  reusesBuffers: true,
  create({ paths: texts }, { paths }) {
    const matches = new Float64Array(texts.length)
    return {
      batch: createKeeper(texts, paths, matches),
      ruleMatches: () => texts.map((text, at) => ({ rule: `paths[${at}] ${text}`, matches: matches[at] })),
    }
  },
})
