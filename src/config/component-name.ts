import { basename, extname } from 'node:path'

/**
 * True for custom components: `./tag.ts`, `../x.js`, `/x.mjs`, `@acme/plugin:geo` and `plugin:geo`.
 */
export function isCustom(type: string): boolean {
  return /^[./@]/.test(type) || type.includes(':')
}

/**
 * The short name of a component, used for its stage: `tag` for `./tag.ts`, `geo` for
 * `@acme/plugin:geo`.
 */
export function shortName(type: string): string {
  if (!isCustom(type)) return type
  return /^[./]/.test(type) ? basename(type, extname(type)) : type.slice(type.lastIndexOf(':') + 1)
}
