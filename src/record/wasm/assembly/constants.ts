/**
 * The numbers that this module shares with TypeScript: ASCII codes, kinds, faults, edits, strides,
 * limits, factors of hashes. `scripts/build-wasm.js` generates them from
 * `src/record/wasm/shared-constants.ts` before it compiles the module. Change them there, never
 * here.
 */
export * from '../../../../build/assembly/constants'
