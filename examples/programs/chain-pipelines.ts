import { pipeline } from 'node:stream/promises'
import { openPipeline } from 'sluice'
import type { Report } from 'sluice'

/**
 * Sends what `pipelines/raw.yaml` reads and transforms through the transforms and the sink of
 * `pipelines/clean.yaml`. The first one is read from its start each time, so the second one needs a
 * `dedup`.
 */
export async function chainPipelines(folder: string): Promise<{ raw: Report | undefined; clean: Report | undefined }> {
  const raw = (await openPipeline('raw', { folder })).readable()
  const clean = (await openPipeline('clean', { folder })).writable()
  await pipeline(raw, clean)
  return { raw: raw.report(), clean: clean.report() }
}
