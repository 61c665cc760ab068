/**
 * Treats a value as any type: for arguments that only a JavaScript caller can pass, and for JSON
 * whose shape a test knows.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the type
export function unchecked<T>(value: unknown): T
export function unchecked(value: unknown): unknown {
  return value
}
