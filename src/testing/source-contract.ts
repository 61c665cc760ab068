import type { SourceDeclaration } from '../component.ts'
import type { JsonObject } from '../record/json/json.ts'
import { casesWith } from './contract-case.ts'
import type { ContractCase, NotApplicable } from './contract-case.ts'
import { Bench } from './source-bench.ts'
import type { SourceInput } from './source-bench.ts'
import {
  readsAll,
  resumesEverywhere,
  keepsYieldedMemory,
  readsTwice,
  aborts,
  skipsNothing,
  readsAppended,
  followsAppended,
  waitsForTheEnd,
  reportsFailure,
  staysSmall,
  rewinds,
  dividesTenants,
  checksConnection,
} from './source-cases.ts'
import {
  abortsParts,
  continuesAfterParts,
  dividesAll,
  dividesBeforeAppended,
  dividesTheRest,
  noticesChanges,
} from './source-part-cases.ts'
import { endsWithoutLineFeed, failsInTheMiddle, leavesUnfinished, limitsLines } from './source-line-cases.ts'

/**
 * What the suite does to an input. Where something is not possible, give the reason as text in place
 * of the function.
 */
export interface SourceFixture<Input extends SourceInput> {
  readonly open: () => Promise<Input>
  /**
   * Why records may come in another order than that of `records`. Leave it out when they may not.
   */
  readonly unordered?: NotApplicable
  /**
   * Puts another input under the same name, with other records and of the same size if it has one:
   * as a new file that takes the name, or by rewriting the old one in place. Returns its records.
   */
  readonly replace: NotApplicable | ((input: Input, how: 'renamed' | 'in place') => Promise<readonly JsonObject[]>)
  /** Cuts the input off after some of its records. Returns those that are left. */
  readonly truncate: NotApplicable | ((input: Input) => Promise<readonly JsonObject[]>)
  /** Adds records to the end of the input, and returns them. */
  readonly append: NotApplicable | ((input: Input) => Promise<readonly JsonObject[]>)
  /** Why `--follow` does not find appended records. Leave it out when it does. */
  readonly followless?: NotApplicable
  /**
   * Adds the beginning of a record to the end of the input. The function that it returns adds the
   * rest, and returns the whole record. For sources that follow an input while it is written.
   */
  readonly unfinished?: (input: Input) => Promise<() => Promise<JsonObject>>
  /**
   * Adds a record to the end of the input without the line feed (or other mark) after it. `more` adds
   * the line feed and another record. For sources of lines.
   */
  readonly unended?: (input: Input) => Promise<{ record: JsonObject; more: () => Promise<JsonObject> }>
  /** Damages the input in its middle. Returns the records before the damage. */
  readonly damage?: (input: Input) => Promise<readonly JsonObject[]>
  /** Makes the input unreadable: the next reading must fail. */
  readonly fail: NotApplicable | ((input: Input) => Promise<void>)
  /** Makes the input hold at least so many bytes of records. */
  readonly enlarge: NotApplicable | ((input: Input, bytes: number) => Promise<void>)
}

/**
 * Tries a source by the rules of `SourceDeclaration`: order, resuming after every position,
 * replaced and truncated inputs, aborts, memory, errors; and parts, if the source has `parts`. The cases work on inputs of their own and
 * may run in any order, one at a time.
 */
export function sourceContract<Input extends SourceInput>(
  declaration: SourceDeclaration,
  fixture: SourceFixture<Input>,
): ContractCase[] {
  const on = (check: (bench: Bench<Input>) => Promise<void>) => async (): Promise<void> => {
    const input = await fixture.open()
    try {
      await check(new Bench(declaration, input))
    } finally {
      await input.close?.()
    }
  }
  const { unordered, followless, unfinished, unended, damage, replace, truncate, append, fail, enlarge } = fixture
  return [
    {
      name: `yields every record once${unordered === undefined ? ', in order' : ''}, in sound chunks`,
      run: on((bench) => readsAll(bench, unordered === undefined)),
    },
    { name: 'resumes after every position', run: on(resumesEverywhere) },
    { name: 'loses no record next to one that is longer than maxLine', run: on(limitsLines) },
    { name: 'never changes memory that it has yielded', run: on(keepsYieldedMemory) },
    { name: 'reads the same input in two instances at once', run: on(readsTwice) },
    { name: 'ends when the signal aborts, at any moment', run: on((bench) => aborts(bench, false)) },
    { name: 'ends when the signal aborts while it follows its input', run: on((bench) => aborts(bench, true)) },
    { name: 'divides its input into parts that hold all records', run: on(dividesAll) },
    { name: 'divides only what the committed positions leave', run: on(dividesTheRest) },
    { name: 'reads nothing twice after all parts', run: on(continuesAfterParts) },
    { name: 'ends planning and reading a part when the signal aborts', run: on(abortsParts) },
    ...casesWith(replace, (act) => [
      {
        name: 'yields no record of an input that replaced the one that was planned',
        run: on((bench) => noticesChanges(bench, 'replaced', (input) => act(input, 'renamed'))),
      },
      {
        name: 'yields no record of an input that was rewritten after it was planned',
        run: on((bench) => noticesChanges(bench, 'rewritten', (input) => act(input, 'in place'))),
      },
      {
        name: 'skips no record of an input that replaced the one it has read',
        run: on((bench) => skipsNothing(bench, 'replaced', (input) => act(input, 'renamed'))),
      },
      {
        name: 'skips no record of an input that was rewritten in place',
        run: on((bench) => skipsNothing(bench, 'rewritten', (input) => act(input, 'in place'))),
      },
    ]),
    ...casesWith(truncate, (act) => [
      {
        name: 'notices that a planned input was truncated',
        run: on((bench) => noticesChanges(bench, 'truncated', act)),
      },
      { name: 'notices that its input was truncated', run: on((bench) => skipsNothing(bench, 'truncated', act)) },
    ]),
    ...casesWith(append, (act) => [
      {
        name: 'ends a part where it was planned when the input has grown',
        run: on((bench) => dividesBeforeAppended(bench, act)),
      },
      { name: 'reads appended records in the next run', run: on((bench) => readsAppended(bench, act)) },
      ...(followless === undefined
        ? [{ name: 'reads appended records while it follows', run: on((bench) => followsAppended(bench, act)) }]
        : []),
    ]),
    ...(unfinished === undefined
      ? []
      : [
          {
            name: 'waits for the end of an unfinished record while it follows',
            run: on((bench) => waitsForTheEnd(bench, unfinished)),
          },
          {
            name: 'leaves an unfinished record to the next run',
            run: on((bench) => leavesUnfinished(bench, unfinished)),
          },
        ]),
    ...(unended === undefined
      ? []
      : [
          {
            name: 'yields a last record without its line feed once',
            run: on((bench) => endsWithoutLineFeed(bench, unended)),
          },
        ]),
    ...(damage === undefined
      ? []
      : [
          {
            name: 'yields every record before damage in the middle of its input, then fails',
            run: on((bench) => failsInTheMiddle(bench, damage)),
          },
        ]),
    ...casesWith(fail, (act) => [
      { name: 'reports an unreadable input as a SluiceError', run: on((bench) => reportsFailure(bench, act)) },
    ]),
    ...casesWith(enlarge, (act) => [
      {
        name: 'reads a large input in bounded memory, no faster than it is asked to',
        run: on((bench) => staysSmall(bench, act)),
      },
    ]),
    ...(declaration.rewind === undefined
      ? []
      : [{ name: 'rewinds a position to an earlier time', run: on((bench) => rewinds(bench, declaration)) }]),
    ...(declaration.tenants === undefined
      ? []
      : [{ name: 'reads the tenants that it is asked for, and no others', run: on(dividesTenants) }]),
    { name: 'ends its connection checks, and changes nothing by them', run: on(checksConnection) },
  ]
}
