import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

interface RowsProps<Row> {
  readonly rows: readonly Row[]
  /** Of each row, in pixels. */
  readonly height: number
  /** For screen readers. */
  readonly label: string
  readonly render: (row: Row, at: number) => JSX.Element
}

/** A long list that scrolls within its frame. Only the rows that are seen are in the document. */
export function Rows<Row>({ rows, height, label, render }: RowsProps<Row>): JSX.Element {
  const frame = useRef<HTMLDivElement>(null)
  const top = useSignal(0)
  const seen = useSignal(INITIAL)
  useLayoutEffect(() => {
    const element = frame.current
    if (element === null) return undefined
    const observer = new ResizeObserver(() => {
      seen.value = Math.ceil(element.clientHeight / height)
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  const last = Math.max(0, rows.length - seen.value)
  const first = Math.max(0, Math.min(Math.floor(top.value / height), last) - SPARE)
  const end = Math.min(rows.length, first + seen.value + 2 * SPARE)
  return (
    <div
      ref={frame}
      class="rows"
      role="region"
      aria-label={label}
      tabIndex={0}
      onScroll={({ currentTarget }) => {
        top.value = currentTarget.scrollTop
      }}
    >
      <div style={{ paddingTop: `${first * height}px`, paddingBottom: `${(rows.length - end) * height}px` }}>
        {rows.slice(first, end).map((row, at) => render(row, first + at))}
      </div>
    </div>
  )
}

/** Rows: until the height is known, and above and below those that are seen. */
const INITIAL = 40
const SPARE = 10
