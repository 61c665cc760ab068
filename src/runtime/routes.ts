import type { CheckedPipeline, CheckedRoute, CheckedRoutes } from '../config/pipeline.ts'
import { Router } from '../delivery/routes/router.ts'
import type { RecordTest, Route, Routes } from '../delivery/routes/routes.ts'
import { compileCondition } from '../record/author/condition.ts'
import type { Paths } from '../record/paths/path.ts'

/** The routes of a pipeline. Their conditions are compiled when its paths are known. */
export async function routesOf({ routes, others }: CheckedRoutes): Promise<Routes> {
  return { routes: await Promise.all(routes.map(routeOf)), others }
}

/** The router of a pipeline, without its delivery. */
export async function routerOf(
  { sinks, routes }: Pick<CheckedPipeline, 'sinks' | 'routes'>,
  paths: Paths,
): Promise<Router> {
  return new Router({ routes: routes && (await routesOf(routes)), sinks: sinks.map(({ name }) => name), paths })
}

async function routeOf({ when, where, onError, to }: CheckedRoute): Promise<Route> {
  const expression = where === undefined ? undefined : await conditionOf(where, onError)
  if (when.length === 0) return { to, takes: expression }
  return {
    to,
    takes(paths) {
      const tests = when.map((condition) => compileCondition(condition, paths))
      const holds = expression?.(paths) ?? (() => true)
      return (batch, record) => tests.some((matches) => matches(batch, record)) && holds(batch, record)
    },
  }
}

async function conditionOf(where: string, onError: CheckedRoute['onError']): Promise<(paths: Paths) => RecordTest> {
  // Most pipelines have no expression.
  const { compileExpression } = await import('../fields/expression/expression.ts')
  const expression = compileExpression(where)
  return (paths) => {
    const holds = expression.condition(paths)
    if (onError === 'reject') return holds
    return (batch, record) => {
      const result = holds(batch, record)
      return typeof result !== 'boolean' && result.code !== 'EXPRESSION_LIMIT' ? false : result
    }
  }
}
