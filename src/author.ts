/**
 * What custom components import from `sluice`: the part of the public API that needs no runtime, so that
 * it loads fast. `index.ts` has the whole.
 */
export { Type } from 'typebox'
export * from './component.ts'
export { SluiceError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export * from './fields/fields.ts'
export { learnSecret } from './observe/secrets.ts'
export type { Json, JsonObject } from './record/json/json.ts'
export type { Condition, Outcome, Record, Rejection, Test } from './record/author/record.ts'
