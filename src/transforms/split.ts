import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice, MemberPath, RecordPath } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import { reaches } from '../record/paths/reaches.ts'
import { rebuild } from '../record/rebuild.ts'
import type { NewLine } from '../record/reuse-lines.ts'
import { copiesOf, findingsOf } from './split/findings.ts'
import { Splitter } from './split/splitter.ts'

const COPY = Type.Object({
  from: RecordPath({ description: 'A path of keys in the record that is split. If it is absent, nothing is copied.' }),
  to: MemberPath({ description: 'Its path in the new records.' }),
})

/**
 * Makes one record of each element of an array. A record is split as a whole or not at all: if one
 * of its elements cannot become a record, the record is rejected as it came in. Rejected records
 * stay as they are.
 *
 * Before `dedup` each element is a record of its own, with its own dedup key. After `dedup` all
 * elements have the key of their record.
 */
export default defineTransform({
  type: 'split',
  summary: 'Makes one record of each element of an array.',
  fields: {
    path: RecordPath({
      description:
        'The array, a path of keys. Its elements become the records, in order; the rest of the record goes, except what `copy` names. Another value there rejects the record with NOT_AN_ARRAY.',
    }),
    copy: Type.Array(Type.Union([RecordPath({ description: 'A path.' }), COPY]), {
      default: [],
      description:
        'Members of the record that each element gets too: a path of keys, or `from` and `to` for another path. An element that has such a member already rejects the record with KEY_EXISTS.',
    }),
    as: Type.Optional(
      MemberPath({
        description:
          'The member that holds the element. Without it the element itself is the record; elements that are no objects then reject the record with NOT_AN_OBJECT.',
      }),
    ),
    index: Type.Optional(MemberPath({ description: 'A member that gets the number of the element, from 0.' })),
    empty: Choice(['keep', 'drop', 'reject'], {
      default: 'keep',
      description:
        'What to do with a record without elements: the member is absent, null or an empty array. `keep` leaves it as it is, `reject` rejects it with VALUE_MISSING.',
    }),
  },
  examples: [
    {
      title: 'The events of an activity, each with its actor and time',
      config: { path: 'events', copy: ['actor.email', { from: 'id.time', to: 'time' }] },
    },
    {
      title: 'The targets of an event, numbered, in a member of their own',
      config: { path: 'target', as: 'target', copy: ['uuid', 'published'], index: 'target_index' },
    },
  ],
  check: (config) => findingsOf(config),
  effectOn({ path, copy, as, index }, targets) {
    const touches = (written: string): boolean => targets.some((target) => reaches(written, target))
    const isElement = as === undefined || touches(as)
    const copies = copiesOf(copy).filter(({ to }) => touches(to))
    const isNumber = index !== undefined && touches(index)
    if (!isElement && copies.length === 0 && !isNumber) return undefined
    return { settings: { path, as: isElement ? (as ?? null) : null, copy: copies, index: isNumber ? index : null } }
  },
  shape({ path, copy, as, index }) {
    const copies = copiesOf(copy)
    return {
      writes: [
        { path: as ?? '*', from: [path] },
        ...copies.map(({ from, to }) => ({ path: to, from: [from] })),
        ...(index === undefined ? [] : [{ path: index, from: [] }]),
      ],
      shares: copies.map(({ to }) => to),
    }
  },
  reusesBuffers: true,
  create(config, { paths, stage }) {
    const splitter = new Splitter(config, paths)
    return {
      rebuilds: true,
      batch(batch) {
        splitter.prepare(batch)
        const lines: NewLine[] = []
        let isChanged = false
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          const result = splitter.split(batch, record)
          if (result === 'empty') {
            if (config.empty === 'drop') batch.drop(record, stage)
            else if (config.empty === 'keep') lines.push({ from: record })
            else batch.reject(record, 'VALUE_MISSING', stage, `${config.path} has no elements`)
          } else if ('code' in result) {
            batch.reject(record, result.code, stage, result.detail)
          } else {
            for (const bytes of result) lines.push({ from: record, bytes, isOwn: true })
            isChanged = true
          }
        }
        return isChanged ? rebuild(batch, lines, stage) : undefined
      },
      ruleMatches: () => [{ rule: `path ${config.path}`, matches: splitter.elements }],
    }
  },
})
