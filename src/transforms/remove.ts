import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { RecordPath } from '../fields/fields.ts'
import { ACCEPT_MASK } from '../record/paths/automaton.ts'
import { reaches } from '../record/paths/reaches.ts'
import { Edit, RecordState } from '../record/batch.ts'
import { HIT_STRIDE, RECORD_STRIDE } from '../record/scan.ts'
import { AcceptSets } from './members/accept-sets.ts'
import { findingsOf } from './members/path-findings.ts'

/**
 * Removes the values that its paths match, with their keys, from live records. Every copy of a
 * duplicate key goes. What remains keeps its bytes.
 *
 * A rejected record stays as the rejecting stage received it, so that it can be replayed; `redact`
 * with the action `drop` also reaches those.
 */
export default defineTransform({
  type: 'remove',
  summary: 'Removes members from records.',
  fields: {
    paths: Type.Array(RecordPath({ description: 'A path.' }), {
      minItems: 1,
      description:
        'Paths of the members (or array elements) to remove; wildcards are allowed. An absent member is no error. An object or array stays, empty, if everything in it is removed.',
    }),
  },
  examples: [
    { title: 'Members that nobody reads', config: { paths: ['debug', 'geoip.{latitude,longitude}'] } },
    { title: 'In every array element, and at any depth', config: { paths: ['changes[*].from', '**./^_/'] } },
  ],
  check: ({ paths }) => findingsOf(paths, 'removes all members'),
  effectOn({ paths }, targets) {
    const touching = paths.filter((path) => targets.some((target) => reaches(path, target)))
    return touching.length === 0 ? undefined : { settings: { paths: touching.toSorted() } }
  },
  shape: ({ paths }) => ({ removes: paths }),
  reusesBuffers: true,
  create({ paths: texts }, { paths }) {
    const removed = texts.map((text) => paths.add(text))
    const matches = new Float64Array(removed.length)
    const rulesOf = new AcceptSets((accepted) => {
      const rules = [...removed.keys()].filter((rule) => accepted.includes(removed[rule].id))
      return rules.length === 0 ? undefined : rules
    })
    return {
      batch(batch) {
        const rules = rulesOf.of(batch, removed)
        const { hits, records } = batch.index
        const { edits } = batch
        // No iterators: this loop runs for each hit.
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          const last = records[RECORD_STRIDE * (record + 1) + 2]
          for (let hit = records[RECORD_STRIDE * record + 2]; hit < last; hit++) {
            const matching = rules[hits[HIT_STRIDE * hit] & ACCEPT_MASK]
            if (matching === undefined || edits[hit] === Edit.delete || edits[hit] === Edit.shadowed) continue
            for (let at = 0; at < matching.length; at++) matches[matching[at]]++
            batch.edit(hit, Edit.delete)
          }
        }
      },
      ruleMatches: () => texts.map((text, at) => ({ rule: `paths[${at}] ${text}`, matches: matches[at] })),
    }
  },
})
