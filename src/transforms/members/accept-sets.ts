import type { Batch } from '../../record/batch.ts'
import type { Path } from '../../record/paths/path.ts'

/**
 * What a stage does with the hits of each accept set, by the number of the set. It is worked out once
 * per set, not once per hit.
 */
export class AcceptSets<Role> {
  readonly #roleOf: (accepted: readonly number[]) => Role
  #accepts: readonly (readonly number[])[] | undefined
  #roles: Role[] = []

  /** @param roleOf gets the ids of the paths that match. */
  constructor(roleOf: (accepted: readonly number[]) => Role) {
    this.#roleOf = roleOf
  }

  /** The roles of the sets of a batch, once its index contains these paths. */
  of(batch: Batch, paths: readonly Path[]): readonly Role[] {
    // A query for a path that is not in the index makes the batch scan again.
    if (batch.count > 0) for (const path of paths) if (path.id >= batch.index.pathCount) batch.hit(0, path)
    const { accepts } = batch.index
    if (this.#accepts !== accepts) this.#roles = []
    this.#accepts = accepts
    while (this.#roles.length < accepts.length) this.#roles.push(this.#roleOf(accepts[this.#roles.length]))
    return this.#roles
  }
}
