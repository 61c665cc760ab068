import { stat, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import { SluiceError, systemCode } from '../../errors.ts'
import { safeJson } from '../../observe/output.ts'
import type { Report } from '../../observe/report.ts'

/**
 * Looks at the path of a report before the run, which may take hours.
 * @throws SluiceError USAGE if nothing can be written there
 */
export async function checkReportPath(path: string): Promise<void> {
  const folder = dirname(resolve(path))
  const fail = (reason: string): never => {
    throw new SluiceError('USAGE', `--report ${path}: ${reason}`, { hint: 'name a file in a folder that exists' })
  }
  if (await isFolder(path)) fail('this is a folder')
  if (!(await isFolder(folder))) fail(`${folder} is not a folder`)
}

function isFolder(name: string): Promise<boolean> {
  return stat(name).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
}

/** Returns the failure: that of the run is more important. */
export async function writeReport(path: string, report: Report): Promise<SluiceError | undefined> {
  try {
    await writeFile(path, `${safeJson(report, 2)}\n`)
    return undefined
  } catch (error) {
    const reason = systemCode(error) ?? String(error)
    return new SluiceError('DISK_FAILED', `cannot write the report ${path}: ${reason}`, { cause: error })
  }
}

/** Each of several pipelines has its own report: `report.json` becomes `report-<pipeline>.json`. */
export function reportPath(path: string, pipeline: CheckedPipeline, count: number): string {
  if (count === 1) return path
  const dot = path.lastIndexOf('.')
  return dot > 0 ? `${path.slice(0, dot)}-${pipeline.name}${path.slice(dot)}` : `${path}-${pipeline.name}`
}
