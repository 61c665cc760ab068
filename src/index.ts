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
export { Type } from 'typebox'
export * from './component.ts'
export { SluiceError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export * from './fields/fields.ts'
export { eventNames } from './observe/bus/channels.ts'
export type * from './observe/bus/events.ts'
export { subscribe } from './observe/bus/subscribe.ts'
export type { EventFilter } from './observe/bus/subscribe.ts'
export { learnSecret } from './observe/secrets.ts'
export type { Exchange, ExchangeLayer, ExchangeRequest, ExchangeResponse } from './network/exchange.ts'
export type { Json, JsonObject } from './record/json/json.ts'
export type { Condition, Outcome, Record, Rejection, Test } from './record/author/record.ts'
export type { Report } from './observe/report.ts'
export type { Batch } from './record/batch.ts'
export type {
  ComponentConfig,
  PipelineOptions,
  SinkConfig,
  SourceConfig,
  TransformConfig,
} from './runtime/streams/config.ts'
export { anySignal } from './signals.ts'
export type { PipelineLog, PipelineLogLine } from './runtime/streams/program-log.ts'
export { sink, source, transform } from './runtime/streams/stages.ts'
export type { SinkWritable } from './runtime/streams/stages.ts'
export type { WriteOptions } from './embed/byte-batches.ts'
export type { Progress } from './embed/callbacks.ts'
export { fromObjects } from './embed/from-objects.ts'
export type { FromObjectsOptions } from './embed/from-objects.ts'
export type { OpenOptions } from './embed/load-part.ts'
export { openPipeline, reportOf } from './embed/open-pipeline.ts'
export type {
  CheckOptions,
  CheckResult,
  OpenedPipeline,
  PartOptions,
  PipelineDuplex,
  PipelineReadable,
  PipelineWritable,
  ReadPartOptions,
  WritePartOptions,
  RunPipelineOptions,
  TestResults,
} from './embed/open-pipeline.ts'
export { toBatches } from './embed/to-batches.ts'
export type { BatchDuplex, ToBatchesOptions } from './embed/to-batches.ts'
export { toObjects } from './embed/to-objects.ts'
export type { ObjectReadable, RejectedLine, ToObjectsOptions } from './embed/to-objects.ts'
