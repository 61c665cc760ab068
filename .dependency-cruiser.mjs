/**
 * The layers of `src/`, from top to bottom; ARCHITECTURE.md draws the same ones. A file imports from its own layer or from a lower one.
 * Folders of one layer that are listed apart do not import each other.
 */
const layers = [
  ['cli', 'testing', 'index.ts'],
  ['embed', 'ui'],
  ['inspect', 'generate', 'queue'],
  ['shards'],
  ['runtime'],
  ['config'],
  ['registry.ts'],
  ['sources', 'transforms', 'sinks', 'delivery'],
  ['fields'],
  ['component.ts'],
  ['s3', 'record', 'compression'],
  ['files.ts', 'network', 'observe'],
  ['errors.ts', 'time.ts', 'clock.ts', 'signals.ts', 'package.ts'],
]

const pathOf = (names) =>
  `^src/(${names.map((name) => (name.endsWith('.ts') ? `${name.replace('.', '\\.')}$` : `${name}/`)).join('|')})`

export default {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    ...layers.slice(1).map((layer, at) => ({
      name: `not-upwards-from-${layer[0]}`,
      severity: 'error',
      from: { path: pathOf(layer) },
      to: { path: pathOf(layers.slice(0, at + 1).flat()) },
    })),
    ...layers.flatMap((layer) =>
      layer
        .map((name) => ({
          name: `not-sideways-from-${name}`,
          severity: 'error',
          from: { path: pathOf([name]) },
          to: { path: pathOf(layer.filter((other) => other !== name)) },
        }))
        .filter(() => layer.length > 1),
    ),
    { name: 'in-a-layer', severity: 'error', from: { path: '^src/', pathNot: pathOf(layers.flat()) }, to: {} },
    { name: 'resolved', severity: 'error', from: { path: '^src/' }, to: { couldNotResolve: true } },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/record/wasm/assembly/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
}
