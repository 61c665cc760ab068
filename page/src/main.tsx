import { render } from 'preact'
import { App } from './app.tsx'
import { startRouter } from './route.ts'
import { startClock } from './state/clock.ts'
import { followRoute } from './state/follow.ts'

const container = document.querySelector('#page')
if (container === null) throw new Error('index.html has no #page')
startRouter()
startClock()
followRoute()
render(<App />, container)
