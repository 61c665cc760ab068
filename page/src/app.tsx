import type { JSX } from 'preact'
import { safe } from './format.ts'
import { Announcements, ConnectionBanner } from './parts/connection-banner.tsx'
import { ProjectFailure } from './parts/project-failure.tsx'
import { route } from './route.ts'
import { Overview } from './screens/overview.tsx'
import { Pipeline } from './screens/pipeline.tsx'
import { Rejects } from './screens/rejects.tsx'
import { WorkbenchChunk } from './screens/workbench-chunk.tsx'
import { connection } from './state/connection.ts'
import { project } from './state/overview.ts'
import { pipeline } from './state/pipeline.ts'
import { rejects } from './state/rejects.ts'

/** Everything between the header and the end of the page is up to the screen. */
export function App(): JSX.Element {
  return (
    <div class={connection.value.state === 'lost' ? 'app is-stale' : 'app'}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header />
      <ConnectionBanner />
      <ProjectFailure />
      <main id="main">
        <Screen />
      </main>
      <Announcements />
    </div>
  )
}

function Header(): JSX.Element {
  const info = project.value
  return (
    <header class="page-head">
      <a class="brand" href="/" aria-label="Sluice: all pipelines">
        Sluice
      </a>
      {info && (
        <>
          <span class="cut" title={safe(info.folder)}>
            {safe(info.folder)}
          </span>
          <span class="faint page-version">{safe(info.version)}</span>
        </>
      )}
    </header>
  )
}

function Screen(): JSX.Element {
  const current = route.value
  const state = pipeline.value
  const queue = rejects.value
  if (current.screen === 'overview') return <Overview />
  if (current.screen === 'pipeline' && state !== undefined) return <Pipeline key={state.name} state={state} />
  if (current.screen === 'rejects' && queue !== undefined) return <Rejects key={queue.name} state={queue} />
  if (current.screen === 'workbench') return <WorkbenchChunk key={current.name} name={current.name} />
  return (
    <div class="notice">
      <h1 tabIndex={-1}>Not found</h1>
      <p>
        There is nothing at this address. <a href="/">All pipelines</a>
      </p>
    </div>
  )
}
