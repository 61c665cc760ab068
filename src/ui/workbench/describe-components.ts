import { fieldRows } from '../../config/field-rows.ts'
import { exampleYaml } from '../../generate/pages.ts'
import { loadComponents } from '../../registry.ts'
import type { ComponentsAnswer } from './api.ts'

/** All built-in components, as `sluice describe` shows them. */
export async function describeComponents(): Promise<ComponentsAnswer> {
  const components = await loadComponents()
  return {
    components: components.map((component) => ({
      kind: component.kind,
      type: component.type,
      summary: component.summary,
      fields: fieldRows(component.fields).map(({ default: standard, ...field }) => ({
        ...field,
        ...(standard !== undefined && { default: standard }),
      })),
      examples: component.examples.map((example) => ({ title: example.title, yaml: exampleYaml(component, example) })),
    })),
  }
}
