import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { openPipeline } from 'sluice'
import type { Report } from 'sluice'

/**
 * An HTTP server that sends the records of an archive, through the transforms of
 * `pipelines/archive.yaml`.
 *
 * A slow client holds the source back: no more than a few batches are in memory. When the client
 * goes away, Fastify destroys the stream, and everything that the pipeline has opened is closed.
 * @param ended Called after each response with the report: how much was read, rejected, dropped.
 */
export async function archiveServer(
  folder: string,
  ended: (report: Report | undefined) => void,
): Promise<FastifyInstance> {
  const archive = await openPipeline('archive', { folder })
  const server = Fastify({ forceCloseConnections: true })
  server.get('/events', (_request, reply) => {
    const records = archive.readable()
    // When it fails, the status is sent already. Fastify cuts the response off, which the client
    // sees as an error.
    records.once('close', () => ended(records.report()))
    return reply.type('application/x-ndjson').send(records)
  })
  return server
}
