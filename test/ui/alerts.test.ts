import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { THRESHOLDS } from '../../src/ui/alerts.ts'

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

test('the page warns at the thresholds of the alerts for Prometheus', () => {
  const { groups }: Rules = parse(readFileSync('deploy/prometheus/alerts.yaml', 'utf8'))
  const rules = groups.flatMap((group) => group.rules)
  for (const [name, threshold] of Object.entries(THRESHOLDS)) {
    const [, written] = /> ([\d.]+)/.exec(rules.find(({ alert }) => alert === name)?.expr ?? '') ?? []
    assert.equal(Number(written), threshold, name)
  }
})
