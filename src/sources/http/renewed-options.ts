import type { Renewal } from '../../component.ts'
import type { HttpOptions } from './options.ts'

interface Known<Configured> {
  readonly config: Configured
  /** Those of `config`. */
  readonly options: HttpOptions
  readonly optionsOf: (config: Configured) => HttpOptions
}

/**
 * The options of a source whose configuration has keys in files. The same object while the
 * configuration is the same.
 */
export function renewedOptions<Configured>(
  renewal: Renewal<Configured>,
  { config: first, options, optionsOf }: Known<Configured>,
): Renewal<HttpOptions> {
  let known = { config: first, options }
  return {
    files: renewal.files,
    async latest(look) {
      const { config, problem } = await renewal.latest(look)
      if (known.config !== config) known = { config, options: optionsOf(config) }
      return { config: known.options, problem }
    },
  }
}
