import type { ControlRequests } from '../../delivery/control/control-requests.ts'
import { asSluiceError } from '../../errors.ts'
import { writeRendered } from '../../observe/output.ts'
import { ReloadRefused } from './load-again.ts'
import type { ReloadableRun } from './reloadable-run.ts'
import type { ShownRun } from './shown-run.ts'

/** Answers `sluice reload`: first the problems of the new files, and at the end why they are not used. */
export function answerReloads(control: ControlRequests, run: ReloadableRun): void {
  control.on('reload', async (_request, reply) => {
    try {
      reply.send({ reloaded: true, ...(await run.reload()) })
    } catch (error) {
      if (error instanceof ReloadRefused) reply.send({ problems: error.problems })
      throw error
    }
  })
}

/** Reloads after SIGHUP. The log says how it went. */
export async function reloadBySignal(run: { reload(): Promise<unknown> }, shown: ShownRun): Promise<void> {
  shown.events.note('run.reloading')
  try {
    await run.reload()
  } catch (error) {
    if (error instanceof ReloadRefused) writeRendered(process.stderr, error.problems)
    const { code, message: reason } = asSluiceError(error, 'INTERNAL', 'the reload failed')
    shown.events.note('run.reload.failed', { error: code, reason })
  }
}
