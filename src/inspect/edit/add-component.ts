import { isMap } from 'yaml'
import { SluiceError } from '../../errors.ts'
import { suggest } from '../../fields/suggest.ts'
import type { Json } from '../../record/json/json.ts'
import { builtInTypes, findComponent } from '../../registry.ts'
import type { ComponentKind, Declaration } from '../../registry.ts'
import { insertEntry, insertItem, insertValue, isUnset, placeIn } from './insert.ts'
import type { Inserted } from './insert.ts'
import { findPair, startOf } from './yaml-nodes.ts'

interface AddedComponent {
  readonly kind: ComponentKind
  /** Of a built-in component. */
  readonly type: string
  /** Number of transforms before it. Default: the end. */
  readonly after?: number | undefined
}

/**
 * Adds a built-in component to a pipeline text, with the options of its first example. A sink is added to `sinks`
 * if the text has them.
 * @throws SluiceError USAGE for an unknown type; CONFIG_INVALID if there is a source or sink already, or the text is not
 * YAML
 */
export async function addComponent(text: string, { kind, type, after }: AddedComponent): Promise<Inserted> {
  const declaration = await findComponent(kind, type)
  if (declaration === undefined)
    throw new SluiceError('USAGE', `there is no ${kind} "${type}"`, {
      hint: suggest(type, builtInTypes(kind), `${kind}s`),
    })
  const component = exampleOf(declaration)
  if (kind === 'transform') return insertItem(text, 'transforms', component, after)
  const root = placeIn(text)?.root
  const sinks = root && findPair(root, 'sinks')?.value
  if (kind === 'sink' && isMap(sinks) && sinks.items.length > 0) {
    if (declaration.kind === 'sink' && declaration.delivers === 'stream')
      throw new SluiceError('CONFIG_INVALID', `\`sinks\` are object sinks, but ${type} writes a stream`, {
        hint: `add one of ${(await objectSinks()).join(', ')}`,
      })
    return insertEntry(
      text,
      'sinks',
      freeName(type, (name) => sinks.has(name)),
      component,
    )
  }
  const found = root && findPair(root, kind)
  if (found !== undefined && !isUnset(found.value)) {
    const line = text.slice(0, startOf(found.key)).split('\n').length
    throw new SluiceError('CONFIG_INVALID', `the pipeline has a ${kind} already, in line ${line}`, {
      hint: kind === 'source' ? 'edit it' : 'edit it; for several sinks, move it into `sinks`, under a name of its own',
    })
  }
  return insertValue(text, kind, component)
}

function exampleOf({ type, examples }: Declaration): Json {
  const component: Json = JSON.parse(JSON.stringify({ type, ...examples[0]?.config }))
  return component
}

async function objectSinks(): Promise<string[]> {
  const sinks = await Promise.all(builtInTypes('sink').map((type) => findComponent('sink', type)))
  return sinks.flatMap((sink) => (sink?.kind === 'sink' && sink.delivers === 'objects' ? [sink.type] : []))
}

function freeName(name: string, isTaken: (name: string) => boolean): string {
  let free = name
  for (let i = 2; isTaken(free); i++) free = `${name}-${i}`
  return free
}
