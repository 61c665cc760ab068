/// <reference types="node" preserve="true" />
/**
 * The public API: pipelines in a program of one's own, and everything for authors of custom components.
 * Contract suites and helpers for their tests are in `sluice/testing`.
 *
 *     import { pipeline } from 'node:stream/promises'
 *     import { sink, source, transform } from 'sluice'
 *
 *     await pipeline(
 *       source({ type: 'file', path: 'events.ndjson' }),
 *       transform({ type: 'dedup', key: ['id'] }),
 *       sink({ type: 's3', bucket: 'audit', state: '.sluice/events' }),
 *     )
 */
export * from './author.ts'
export type { Report } from './observe/report.ts'
export type {
  ComponentConfig,
  PipelineOptions,
  SinkConfig,
  SourceConfig,
  TransformConfig,
} from './runtime/streams/config.ts'
export { sink, source, transform } from './runtime/streams/stages.ts'
export type { SinkWritable } from './runtime/streams/stages.ts'
