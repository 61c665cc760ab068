/// <reference types="node" preserve="true" />
/**
 * The public API for authors of custom components. Contract suites and helpers for their tests are
 * in `sluice/testing`.
 */
export { Type } from 'typebox'
export * from './component.ts'
export { SluiceError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export * from './fields/fields.ts'
export { learnSecret } from './observe/secrets.ts'
export type { Json, JsonObject } from './record/json/json.ts'
export type { Condition, Outcome, Record, Rejection, Test } from './record/author/record.ts'
