/** Says in plain English what is wrong with the types of an expression. */
export function explainType(code: string, summary: string): { message: string; hint?: string } {
  const operator = /^no such overload: (.+) (==|!=|<=?|>=?|\+|-|\*|\/|%|in) (.+)$/.exec(summary)
  if (operator !== null) return explainOperator(operator[1], operator[2], operator[3])
  const unary = /^no such overload: ([-!])(.+)$/.exec(summary)
  if (unary !== null) {
    return {
      message: `"${unary[1]}" cannot be applied to ${typeInWords(unary[2])}`,
      ...(unary[1] === '!' ? { hint: 'compare it: record.count == 0' } : {}),
    }
  }
  const call = /^found no matching overload for '(?:(.+)\.)?(\w+)\((.*)\)'$/.exec(summary)
  if (call !== null) {
    const [, on, name, args] = call
    const given = [...(on === undefined ? [] : [on]), ...(args === '' ? [] : args.split(', '))]
      .map(typeInWords)
      .join(' and ')
    const hint = name.startsWith('get')
      ? 'write timestamp(…) around a text'
      : 'convert a value with string(), int() or double()'
    return { message: `${name}() cannot be applied to ${given}`, hint }
  }
  const got = /got '(.+)'$/.exec(summary)?.[1]
  if (code === 'invalid_logical_operand' || code === 'invalid_condition_type') {
    const what = code === 'invalid_logical_operand' ? '"&&" and "||" need bools' : 'a condition must be a bool'
    return {
      message: `${what}, not ${typeInWords(got ?? 'dyn')}`,
      hint: 'compare the value, for example record.count > 0',
    }
  }
  if (code === 'incompatible_ternary_branches') {
    const [, one = '', other = ''] = /got '(.+)' and '(.+)'$/.exec(summary) ?? []
    return {
      message: `the values of a choice have different types: ${typeInWords(one)} and ${typeInWords(other)}`,
      hint: 'convert one, or write dyn(…) around it',
    }
  }
  if (code === 'incompatible_argument_type') {
    return { message: 'the default has another type than the optional', hint: 'convert it, or write dyn(…) around it' }
  }
  if (code === 'optional_expected') {
    return {
      message: `an optional is needed, not ${typeInWords(got ?? 'dyn')}`,
      hint: 'write record.?name: the ? makes the optional',
    }
  }
  if (code === 'invalid_index_type') return { message: 'an element of a list has an int as its number' }
  if (code === 'cannot_index_type') {
    const type = /'(.+)'$/.exec(summary)?.[1] ?? 'dyn'
    return { message: `${typeInWords(type)} has no members` }
  }
  if (code === 'invalid_comprehension_range') {
    const type = /type '(.+)' cannot/.exec(summary)?.[1] ?? 'dyn'
    return { message: `a macro needs a list or a map, not ${typeInWords(type)}` }
  }
  return { message: `the types do not fit: ${summary}` }
}

function explainOperator(left: string, op: string, right: string): { message: string; hint?: string } {
  const types = [left, right]
  const message = `"${op}" cannot be applied to ${typeInWords(left)} and ${typeInWords(right)}`
  if (types.includes('null')) {
    return { message, hint: 'it is never null; for a member that may be absent write has(record.name)' }
  }
  if (op === 'in' && right === 'string') return { message, hint: 'write text.contains("part")' }
  if (types.includes('string') && types.some((type) => type === 'int' || type === 'double')) {
    const hint =
      op === '+' ? 'convert the number with string()' : 'write the number without quotes, or convert it with string()'
    return { message, hint }
  }
  if (types.includes('google.protobuf.Timestamp'))
    return { message, hint: 'write timestamp(…) around a text that is a time' }
  return { message }
}

/** A type as the library prints it: `a string`, `an int`, `a list`. */
export function typeInWords(type: string): string {
  const name = type.replace(/<.*>$/, '')
  const plain = NAMES.get(name) ?? name
  return plain === 'null' ? plain : `${/^[aio]/.test(plain) ? 'an' : 'a'} ${plain}`
}

const NAMES = new Map([
  ['google.protobuf.Timestamp', 'timestamp'],
  ['google.protobuf.Duration', 'duration'],
  ['dyn', 'value of any type'],
  ['null_type', 'null'],
])
