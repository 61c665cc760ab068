import type { ComponentChildren, JSX } from 'preact'

interface PanelProps {
  readonly id: string
  readonly title: string
  /** Beside the title. */
  readonly note?: ComponentChildren
  readonly isWide?: boolean
  readonly children: ComponentChildren
}

/** A part of a screen with a heading. */
export function Panel({ id, title, note, isWide = false, children }: PanelProps): JSX.Element {
  return (
    <section class={isWide ? 'panel is-wide' : 'panel'} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{title}</h2>
        {note !== undefined && <div class="panel-note">{note}</div>}
      </header>
      {children}
    </section>
  )
}

/** A table that scrolls within its panel if the window is too narrow; by keyboard too. */
export function TableFrame({
  label,
  children,
}: {
  readonly label: string
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <div class="table-frame" role="region" aria-label={`${label}: table`} tabIndex={0}>
      {children}
    </div>
  )
}
