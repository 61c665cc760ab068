import type { CheckedPipeline, CheckedRoutes } from '../config/pipeline.ts'
import { Router } from '../delivery/routes/router.ts'
import type { Route, Routes } from '../delivery/routes/routes.ts'
import { compileCondition } from '../record/author/condition.ts'
import type { Condition } from '../record/author/record.ts'
import type { Paths } from '../record/paths/path.ts'

/** The routes of a pipeline. Their conditions are compiled when its paths are known. */
export function routesOf({ routes, others }: CheckedRoutes): Routes {
  return { routes: routes.map(({ when, to }) => ({ to, ...(when.length > 0 && { takes: anyOf(when) }) })), others }
}

/** The router of a pipeline, without its delivery. */
export function routerOf({ sinks, routes }: Pick<CheckedPipeline, 'sinks' | 'routes'>, paths: Paths): Router {
  return new Router({ routes: routes && routesOf(routes), sinks: sinks.map(({ name }) => name), paths })
}

function anyOf(conditions: readonly Condition[]): Route['takes'] {
  return (paths) => {
    const tests = conditions.map((condition) => compileCondition(condition, paths))
    return (batch, record) => tests.some((matches) => matches(batch, record))
  }
}
