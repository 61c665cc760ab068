import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { ApiLogLine } from '../../../src/ui/api.ts'
import { plural, safe } from '../format.ts'
import { changeQuery, valueOf } from '../route.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Badge } from './badge.tsx'
import { useFew } from './few.tsx'
import { Clock } from './moment.tsx'
import { Panel } from './panel.tsx'
import { Text } from './text.tsx'
import { useTyped } from './typed.ts'

/** The last lines that the runs have logged, the latest first. Their filter is in the address. */
export function Log({ state }: { readonly state: PipelineState }): JSX.Element {
  const level = useComputed(leastOfAddress)
  const words = useTyped(valueOf('text'), (text) => changeQuery({ text }, false))
  /** The lines when the reader stopped the list. */
  const held = useSignal<readonly ApiLogLine[] | undefined>(undefined)
  const found = useComputed(() => {
    const wanted = words.value.toLowerCase().split(/\s+/)
    return (held.value ?? state.log.lines.value)
      .filter((line) => LEVELS[level.value].has(line.level) && wanted.every((word) => textOf(line).includes(word)))
      .toReversed()
  }).value
  const { shown, button } = useFew(found, { name: 'log', few: 20 })
  const all = state.log.lines.value.length
  return (
    <Panel id="log" title="Log" isWide note={all === 0 ? undefined : `the last ${plural(all, 'line')}`}>
      <div class="log-filters">
        <LevelChoice least={level.value} />
        <input
          type="search"
          placeholder="Filter by text"
          aria-label="Show lines of the log with this text"
          value={words.value}
          onInput={({ currentTarget }) => {
            words.value = currentTarget.value
          }}
        />
        <button
          type="button"
          aria-pressed={held.value !== undefined}
          onClick={() => {
            held.value = held.value === undefined ? state.log.lines.value : undefined
          }}
        >
          {held.value === undefined ? 'Pause' : 'Continue'}
        </button>
      </div>
      {found.length === 0 ? (
        <p class="faint">
          {all === 0 ? 'Lines appear while the pipeline runs.' : `None of ${plural(all, 'line')} is like that.`}
        </p>
      ) : (
        <ol class="log">
          {shown.map((line) => (
            <Line key={`${line.run} ${line.number}`} line={line} />
          ))}
        </ol>
      )}
      {button}
    </Panel>
  )
}

type Least = 'info' | 'warn' | 'error'

const LEVELS: { readonly [least in Least]: ReadonlySet<ApiLogLine['level']> } = {
  info: new Set(['trace', 'debug', 'info', 'warn', 'error']),
  warn: new Set(['warn', 'error']),
  error: new Set(['error']),
}

function leastOfAddress(): Least {
  const level = valueOf('level')
  return level === 'warn' || level === 'error' ? level : 'info'
}

/** What the filter looks at. */
function textOf({ message, code, stage = '', facts }: ApiLogLine): string {
  return [message, code, stage, ...factsOf(facts)].join(' ').toLowerCase()
}

function factsOf(facts: ApiLogLine['facts']): string[] {
  return Object.entries(facts).map(([name, value]) => `${name}=${value}`)
}

function LevelChoice({ least }: { readonly least: Least }): JSX.Element {
  return (
    <fieldset class="choice">
      <legend class="unseen">Lines of the log</legend>
      {CHOICES.map(({ level, text }) => (
        <label key={level}>
          <input
            type="radio"
            name="log-level"
            checked={least === level}
            onChange={() => changeQuery({ level: level === 'info' ? '' : level }, true)}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  )
}

const CHOICES = [
  { level: 'info', text: 'All' },
  { level: 'warn', text: 'Warnings' },
  { level: 'error', text: 'Errors' },
] as const

function Line({ line: { at, level, code, stage, message, facts } }: { readonly line: ApiLogLine }): JSX.Element {
  const beside = [...(stage === undefined || 'stage' in facts ? [] : [`stage=${stage}`]), ...factsOf(facts)].join(' ')
  return (
    <li title={safe(code)}>
      <span class="faint">
        <Clock at={at} />
      </span>
      <span class="log-level">
        {level === 'warn' || level === 'error' ? (
          <Badge tone={level === 'warn' ? 'warning' : 'error'} text={level} />
        ) : (
          level
        )}
      </span>
      <span class="wraps">
        <Text text={message} /> {beside !== '' && <span class="faint">{safe(beside)}</span>}
      </span>
    </li>
  )
}
