import { signal } from '@preact/signals'

export type Route =
  | { readonly screen: 'overview' }
  | { readonly screen: 'pipeline' | 'workbench'; readonly name: string }
  | { readonly screen: 'unknown' }

/** The screen of the address. */
export const route = signal<Route>({ screen: 'overview' })

/** Follows the address, and links of the page without loading it again. */
export function startRouter(): void {
  follow()
  addEventListener('popstate', follow)
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || !isPlainClick(event) || link.origin !== location.origin || link.hash !== '') return
    event.preventDefault()
    if (link.pathname !== location.pathname) history.pushState(null, '', link.pathname)
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
  if (location.pathname === path) return
  path = location.pathname
  route.value = routeOf(path)
}

let path = ''

export function pathOfPipeline(name: string): string {
  return `/pipelines/${encodeURIComponent(name)}`
}

export function pathOfWorkbench(name: string): string {
  return `${pathOfPipeline(name)}/workbench`
}

function routeOf(pathname: string): Route {
  if (pathname === '/') return { screen: 'overview' }
  const [, encoded, below] = /^\/pipelines\/([^/]+)(\/workbench)?\/?$/.exec(pathname) ?? []
  if (encoded === undefined) return { screen: 'unknown' }
  try {
    return { screen: below === undefined ? 'pipeline' : 'workbench', name: decodeURIComponent(encoded) }
  } catch {
    return { screen: 'unknown' }
  }
}

/** Others open a new tab or save the target: the browser's own. */
function isPlainClick({ button, altKey, ctrlKey, metaKey, shiftKey, defaultPrevented }: MouseEvent): boolean {
  return button === 0 && !(altKey || ctrlKey || metaKey || shiftKey || defaultPrevented)
}
