/// <reference types="node" preserve="true" />
/**
 * For tests of custom components, in any test runner: a contract suite for each kind of component,
 * and helpers for unit tests of transforms.
 */
export type { ContractCase, NotApplicable } from './contract-case.ts'
export { objectSinkContract } from './object-sink-contract.ts'
export type { ObjectSinkFixture, ObjectStore } from './object-sink-bench.ts'
export { makeRecord, rehearse } from './rehearse.ts'
export type { Rehearsal, RehearsalOptions } from './rehearse.ts'
export { sourceContract } from './source-contract.ts'
export type { SourceInput } from './source-bench.ts'
export type { SourceFixture } from './source-contract.ts'
export { streamSinkContract } from './stream-sink-contract.ts'
export type { Receiver, StreamSinkFixture } from './stream-sink-contract.ts'
export { transformContract } from './transform-contract.ts'
export type { TransformFixture } from './transform-contract.ts'
