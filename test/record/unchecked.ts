/** A value as whatever type is wanted: for what JavaScript callers may hand in, and for JSON whose shape a test knows. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the type, as with an assertion
export function unchecked<T>(value: unknown): T
export function unchecked(value: unknown): unknown {
  return value
}
