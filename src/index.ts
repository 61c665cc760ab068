export * from './component.ts'
export type { Json, JsonObject } from './record/json.ts'
export type { Condition, Outcome, Record, Rejection, Test } from './record/record.ts'
