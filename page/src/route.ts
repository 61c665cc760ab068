import { batch, signal } from '@preact/signals'

export type Route =
  | { readonly screen: 'overview' }
  | { readonly screen: 'pipeline' | 'rejects' | 'workbench'; readonly name: string }
  | { readonly screen: 'unknown' }

/** The screen of the address. */
export const route = signal<Route>({ screen: 'overview' })

/** What is after the path of the address: what a screen shows of its subject. */
export const query = signal('')

/** Follows the address, and links of the page without loading it again. */
export function startRouter(): void {
  follow()
  addEventListener('popstate', follow)
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || !isPlainClick(event) || link.origin !== location.origin || link.hash !== '') return
    event.preventDefault()
    if (link.pathname + link.search !== location.pathname + location.search)
      history.pushState(null, '', link.pathname + link.search)
    follow()
    // A screen reader begins to read the new screen.
    setTimeout(() => {
      scrollTo(0, 0)
      document.querySelector('h1')?.focus({ preventScroll: true })
    })
  })
}

/** A jump within the page is no other route. */
function follow(): void {
  batch(() => {
    query.value = location.search
    if (location.pathname === path) return
    path = location.pathname
    route.value = routeOf(path)
  })
}

let path = ''

/** A value of the query; empty if the address says nothing. */
export function valueOf(name: string): string {
  return new URLSearchParams(query.value).get(name) ?? ''
}

/**
 * Changes what a screen shows, and its address.
 * @param change values by name; what is empty is left out
 * @param step a new entry of the history; otherwise the address changes in place, as for what is typed
 */
export function changeQuery(change: { readonly [name: string]: string }, step: boolean): void {
  const params = new URLSearchParams(query.peek())
  for (const [name, value] of Object.entries(change)) {
    if (value === '') params.delete(name)
    else params.set(name, value)
  }
  const search = params.size === 0 ? '' : `?${params.toString()}`
  if (search === query.peek()) return
  history[step ? 'pushState' : 'replaceState'](null, '', location.pathname + search)
  query.value = search
}

export function pathOfPipeline(name: string): string {
  return `/pipelines/${encodeURIComponent(name)}`
}

export function pathOfWorkbench(name: string): string {
  return `${pathOfPipeline(name)}/workbench`
}

/** @param filter as in its address */
export function pathOfRejects(name: string, filter: { readonly code?: string } = {}): string {
  const params = new URLSearchParams(filter)
  return `${pathOfPipeline(name)}/rejects${params.size === 0 ? '' : `?${params.toString()}`}`
}

function routeOf(pathname: string): Route {
  if (pathname === '/') return { screen: 'overview' }
  const [, encoded, view] = /^\/pipelines\/([^/]+)(?:\/(rejects|workbench))?\/?$/.exec(pathname) ?? []
  if (encoded === undefined) return { screen: 'unknown' }
  try {
    const name = decodeURIComponent(encoded)
    if (view === 'rejects' || view === 'workbench') return { screen: view, name }
    return { screen: 'pipeline', name }
  } catch {
    return { screen: 'unknown' }
  }
}

/** Others open a new tab or save the target: the browser's own. */
function isPlainClick({ button, altKey, ctrlKey, metaKey, shiftKey, defaultPrevented }: MouseEvent): boolean {
  return button === 0 && !(altKey || ctrlKey || metaKey || shiftKey || defaultPrevented)
}
