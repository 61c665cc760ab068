import { isCustom } from '../../config/component-name.ts'
import { findPipeline } from '../../config/find-pipeline.ts'
import { forgetCode } from '../../config/import-code.ts'
import { loadComponent } from '../../config/load-component.ts'
import { complete } from '../../inspect/edit/complete.ts'
import type { Completion } from '../../inspect/edit/complete.ts'
import { describePlace } from '../../inspect/edit/describe-place.ts'
import type { PlaceDescription } from '../../inspect/edit/describe-place.ts'
import { findComponent } from '../../registry.ts'
import type { FindComponent } from '../../registry.ts'
import type { TextPlace } from '../load-text.ts'

/** A place of a text that is typed. */
export interface TypedPlace extends TextPlace {
  readonly text: string
  /** In UTF-16 units. */
  readonly offset: number
}

/** As `complete`, with the options of custom components. */
export async function completeText({ text, offset, ...place }: TypedPlace): Promise<Completion> {
  return complete(text, offset, await findWithCode(place))
}

/** As `describePlace`, with the options of custom components. */
export async function describeText({ text, offset, ...place }: TypedPlace): Promise<PlaceDescription> {
  return describePlace(text, offset, await findWithCode(place))
}

/** Loads custom components from their files as they are now. One that cannot be loaded is not known. */
async function findWithCode({ root, name }: Pick<TextPlace, 'root' | 'name'>): Promise<FindComponent> {
  await forgetCode()
  const file = await findPipeline(name, root)
  return (kind, type) =>
    isCustom(type) ? loadComponent(type, kind, { file, root }).catch(() => undefined) : findComponent(kind, type)
}
