import type { ReadPart, SourcePart } from '../component.ts'

/*
 * A state serves several sources, so the source partitions in it are named after the type of their
 * source: `file:…`. A source knows its own names only. The shards of a plan have those of the state.
 */

/** The name of a source partition in a state. */
export function qualifiedName(type: string, partition: string): string {
  return `${type}:${partition}`
}

/** A part as shards have it. */
export function qualified(type: string, part: SourcePart): SourcePart {
  return { ...part, partition: qualifiedName(type, part.partition) }
}

/** A part as its source has made it. */
export function unqualified(type: string, part: SourcePart): SourcePart {
  return { ...part, partition: part.partition.slice(type.length + 1) }
}

/** Parts of a plan that were read, as their source has made them. */
export function* unqualifiedParts(type: string, parts: Iterable<ReadPart>): Generator<ReadPart, void> {
  for (const { part, end } of parts) yield { part: unqualified(type, part), end }
}
