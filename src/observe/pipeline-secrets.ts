import { dropSecret, holdSecret, sealSecrets, unsealSecrets } from './secrets.ts'
import type { SecretKind } from './secrets.ts'

/**
 * The secrets of one pipeline. All of the process hides them while the pipeline is in use. Their names
 * are its own: two pipelines of one process may have two values of `env.API_KEY`, and a link that one of
 * them stored must not get the key of the other.
 */
export class PipelineSecrets {
  readonly #names = new Map<string, string>()
  readonly #kinds = new Map<string, SecretKind>()
  /** Runs that use them. The check that found them counts as one, until the first run begins. */
  #uses = 1
  #isChecking = true

  /** @param found `name` says where the value came from: `env.API_KEY`. */
  add(value: string, { kind, name }: { readonly kind: SecretKind; readonly name: string }): void {
    const known = this.#kinds.get(value)
    if (known === undefined || known !== kind) holdSecret(value, kind)
    // One hold for each value.
    if (known !== undefined && known !== kind) dropSecret(value)
    if (known !== 'certain') this.#kinds.set(value, kind)
    // The last value of a name is the present one: keys are replaced while a pipeline runs.
    const first = this.#names.get(value) ?? name
    this.#names.delete(value)
    this.#names.set(value, first)
  }

  /** A run begins. */
  hold(): void {
    if (this.#isChecking) this.#isChecking = false
    else if (this.#uses++ === 0) for (const [value, kind] of this.#kinds) holdSecret(value, kind)
  }

  /** A run is over, or does not begin. The secrets are forgotten when there are many newer ones. */
  drop(): void {
    this.#isChecking = false
    if (--this.#uses === 0) for (const value of this.#kinds.keys()) dropSecret(value)
  }

  /** See `sealSecrets`. */
  seal<Value>(value: Value): Value {
    return sealSecrets(value, this.#names)
  }

  /** See `unsealSecrets`. */
  unseal<Value>(value: Value): Value {
    return unsealSecrets(value, this.#names)
  }
}
