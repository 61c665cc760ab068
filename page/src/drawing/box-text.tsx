import type { JSX } from 'preact'
import { safe } from '../format.ts'
import type { DrawnNode } from './plan.ts'

interface BoxTextProps {
  readonly node: DrawnNode
  /** Of a transform, from 1. */
  readonly number?: number | undefined
}

/** What a box is, and where or how. Long texts are cut; the title has all of it. */
export function BoxText({ node: { title, details }, number }: BoxTextProps): JSX.Element {
  const shown = safe(title)
  const more = details.map(safe)
  return (
    <span class="box-text" title={[shown, ...more].join('\n')}>
      <span class="box-title">
        {number !== undefined && <span class="faint">{number} </span>}
        {shown}
      </span>
      {more.length > 0 && <span class="box-details">{more.join(' · ')}</span>}
    </span>
  )
}
