import assert from 'node:assert/strict'
import { test } from 'node:test'
import compute from '../../src/transforms/compute.ts'
import { runStage } from '../transforms/stage.ts'

const RECORD =
  '{"service":"sso","count":5,"ratio":0.5,"one":1.0,"big":9007199254740993,"huge":123456789012345678901234567890,' +
  '"user":{"email":"a@b.c","tags":["x","y"],"odd-name":1},"list":[{"kind":"a","n":1},{"kind":"b"}],' +
  '"time":"2026-01-02T03:04:05.123456789+01:00","nothing":null,"flag":true,"text":"a\u{1F98A}\\u0062","empty":{},' +
  '"dup":1,"dup":2,"map":{"a":1,"b":2},"words":["x","y","x"]}'

/** The JSON text of the value of each expression, or the problem. */
async function assertValues(cases: { readonly [expression: string]: string }): Promise<void> {
  for (const [value, expected] of Object.entries(cases)) {
    const { lines, rejects } = await runStage(compute, { members: [{ path: 'out', value }] }, [RECORD])
    const found = lines[0]?.slice(RECORD.length - 1).replace(/^,"out":(.*)\}$/s, '$1')
    assert.equal(
      found ?? rejects[0].detail?.replace(/^members\[0\] out: at character \d+: /, 'failed: '),
      expected,
      value,
    )
  }
}

test('reads members, with brackets for other names', async () => {
  await assertValues({
    'record.service': '"sso"',
    'record["service"]': '"sso"',
    'record.user["odd-name"]': '1',
    "record['user'].email": '"a@b.c"',
    '(record.user).email': '"a@b.c"',
    'record.list[1].kind': '"b"',
    'record.list[5]': 'failed: the list has no element there',
    'record.user[record.service]': 'failed: the map has no such member',
    'record.user.tags["x"]': 'failed: record.user.tags.x is absent',
    'record.none': 'failed: record.none is absent',
    'record.service.x': 'failed: record.service.x is absent',
    'record.dup': '2',
    'record.nothing': 'null',
  })
})

test('an int is a number without a fraction; ints and doubles may be mixed', async () => {
  await assertValues({
    'record.count > 5': 'false',
    'record.count >= 4.5': 'true',
    'record.count + 1': '6',
    'record.count / 2': '2',
    'record.count / 2.0': '2.5',
    'record.count % 2': '1',
    '-record.count': '-5',
    'record.ratio * 2': '1',
    'record.ratio + record.count': '5.5',
    'record.one == 1': 'true',
    'record.big + 1': '9007199254740994',
    'record.big == 9007199254740992': 'false',
    'record.huge': '123456789012345678901234567890',
    '[record.huge]': '[123456789012345678901234567890]',
    'record.huge == record.huge': 'true',
    'record.huge + 1': 'failed: "+" cannot be applied to a number beyond 64 bits and an int',
    '9223372036854775807': '9223372036854775807',
    '-9223372036854775808': '-9223372036854775808',
    '9223372036854775807 + record.count': 'failed: the result is an int of more than 64 bits',
    '-(-9223372036854775807 - 1)': 'failed: the result is an int of more than 64 bits',
    '1e308 * 10.0': 'failed: the result is beyond the range of doubles',
    'record.count / 0': 'failed: division by zero',
    'record.ratio / 0': 'failed: division by zero',
    'record.count % 0': 'failed: division by zero',
    'int(2.9)': '2',
    'int("-12")': '-12',
    'int("")': 'failed: int() needs digits, such as "15"',
    'int(1e300)': 'failed: the result is an int of more than 64 bits',
    'double("1.50")': '1.5',
    'double("NaN")': 'failed: double() needs a number, such as "1.5"',
    'string(record.count) + "/" + string(record.ratio)': '"5/0.5"',
    'bool("true")': 'true',
    '0x10': '16',
  })
})

test('values of different types are not equal, and have no order', async () => {
  await assertValues({
    'record.count == "5"': 'false',
    'record.service != 1': 'true',
    'record.service == "sso"': 'true',
    '"sso" == record.service': 'true',
    'record.text == "a\u{1F98A}b"': 'true',
    'record.nothing == null': 'true',
    'record.user.tags == ["x", "y"]': 'true',
    'record.map == {"b": 2.0, "a": 1}': 'true',
    'record.service > 1': 'failed: a string and an int cannot be compared',
    'record.service < "tso"': 'true',
    '"\u{1F98A}" > "\uFF5E"': 'true',
    'type(record.count) == int && type(record.map) == map': 'true',
  })
})

test('a side that decides makes up for a fault of the other one', async () => {
  await assertValues({
    'false && record.none': 'false',
    'record.none && false': 'false',
    'record.none || true': 'true',
    'record.none || false': 'failed: record.none is absent',
    'record.count || false': 'failed: "||" needs a bool, not an int',
    'record.flag ? record.count : record.none': '5',
    'record.list.exists(x, x.n == 1)': 'true',
    'record.list.exists(x, x.n == 2)': 'failed: the map has no such member',
    'record.list.all(x, x.n == 2)': 'false',
    '!record.count': 'failed: "!" needs a bool, not an int',
  })
})

test('has() and optionals are for members that may be absent', async () => {
  await assertValues({
    'has(record.user.email)': 'true',
    'has(record.nothing)': 'true',
    'has(record.a.b.c)': 'false',
    'has(record.service.x)': 'false',
    'has(record.list[0].n)': 'true',
    'has(record.list[1].n)': 'false',
    '"odd-name" in record': 'false',
    '"odd-name" in record.user': 'true',
    '"service" in record': 'true',
    'record.?a.?b.orValue("d")': '"d"',
    'record.?user.email.orValue("d")': '"a@b.c"',
    'record.?nothing.orValue(1)': 'null',
    'record.?none.or(record.?service).value()': '"sso"',
    'record.?none.hasValue()': 'false',
    'record.?none.value()': 'failed: the optional has no value',
    'record.list[?7].kind.orValue("q")': '"q"',
    'optional.of(1).orValue(2) + optional.none().orValue(3)': '4',
    'record.list[0].kind.orValue("x")': 'failed: orValue() needs an optional, not a string; write record.?name',
  })
})

test('macros run over lists, and over the keys of maps', async () => {
  await assertValues({
    'record.list.map(x, x.kind)': '["a","b"]',
    'record.list.map(x, has(x.n), x.kind)': '["a"]',
    'record.list.filter(x, has(x.n))': '[{"kind":"a","n":1}]',
    'record.words.exists_one(x, x == "y")': 'true',
    'record.words.exists_one(x, x == "x")': 'false',
    'record.map.exists(key, key == "b")': 'true',
    'record.map.map(key, record.map[key])': '[1,2]',
    'record.words.all(x, record.words.exists(y, x == y))': 'true',
    '[1, 2].map(x, [3].map(x, x)[0] + x)': '[4,5]',
    'cel.bind(x, record.count, x * x)': '25',
    'record.count.map(x, x)': 'failed: map() needs a list or a map, not an int',
    'record.count in [1, 5.0]': 'true',
    'record.service in ["sso", "ldap"]': 'true',
    'record.service in record.map': 'false',
    'record.words + ["z"]': '["x","y","x","z"]',
  })
})

test('the functions of texts count code points', async () => {
  await assertValues({
    'size(record.text)': '3',
    'record.text.size()': '3',
    'size(record.list) + size(record.map) + size(record.empty)': '4',
    'record.text.substring(1, 2)': '"\u{1F98A}"',
    'record.text.substring(2)': '"b"',
    'record.text.substring(4)': 'failed: a position of substring() is outside the text',
    'record.text.indexOf("b")': '2',
    'record.text.lastIndexOf("z")': '-1',
    '"\u00C4BC".lowerAscii() + "\u00E4bc".upperAscii()': '"\u00C4bc\u00E4BC"',
    '" a\\t".trim()': '"a"',
    '"a.b.c".replace(".", "$&")': '"a$&b$&c"',
    '"a,b".split(",")': '["a","b"]',
    'record.words.join("-")': '"x-y-x"',
    'record.list.join()': 'failed: join() needs a list of texts; it has a map in it',
    'record.service.contains("s") && record.service.startsWith("ss") && record.service.endsWith("o")': 'true',
    'record.service.matches("^s.o$")': 'true',
    'record.text.matches(r"^a.b$")': 'true',
    'record.count.matches("5")': 'failed: matches() needs a text, not an int',
  })
})

test('times keep their nanoseconds, and are written in UTC', async () => {
  await assertValues({
    'timestamp(record.time)': '"2026-01-02T02:04:05.123456789Z"',
    'string(timestamp("2026-01-02T00:00:00Z"))': '"2026-01-02T00:00:00Z"',
    'timestamp(record.time) + duration("1h30m")': '"2026-01-02T03:34:05.123456789Z"',
    'timestamp("2026-01-02T00:00:00Z") - timestamp("2026-01-01T23:59:58.5Z")': '"1.500s"',
    'duration("-1.5s") + duration("1ms")': '"-1.499s"',
    'duration("soon")': 'failed: the text is not a duration such as 1h30m or 1.5s',
    'timestamp("yesterday")': 'failed: the text is not a time',
    'timestamp(0)': '"1970-01-01T00:00:00Z"',
    'timestamp("9999-12-31T23:59:59Z") + duration("1s")': 'failed: the result is beyond the years 1 to 9999',
    'int(timestamp("2026-01-02T00:00:00Z"))': '1767312000',
    'timestamp(record.time).getHours()': '2',
    'timestamp(record.time).getHours("+05:30")': '7',
    'timestamp(record.time).getHours("Europe/Berlin")':
      'failed: the time zone of getHours() must be "UTC" or an offset such as "+02:00"',
    'timestamp("2026-03-01T00:00:00Z").getDayOfYear()': '59',
    'timestamp("0050-03-01T00:00:00Z").getDayOfYear()': '59',
    'timestamp(record.time).getMonth() + timestamp(record.time).getDate()': '2',
    'timestamp(record.time).getFullYear() + timestamp(record.time).getDayOfWeek()': '2031',
    'duration("90m").getHours() + duration("90m").getMinutes()': '91',
    'record.service.getHours()': 'failed: getHours() needs a timestamp, not a string; write timestamp(…) around a text',
    'timestamp("2026-01-01T00:00:00Z") < timestamp("2026-01-01T01:00:00+00:30")': 'true',
  })
})

test('a result that is not JSON rejects the record', async () => {
  await assertValues({
    '{1: "a"}': 'failed: the result has a map with an int as a key; write string(…)',
    '{"a": optional.none()}': 'failed: the result has an optional in it, which is not JSON',
    'type(1)': 'failed: the result has a type in it, which is not JSON',
    '{"a": 1, record.service: 2}': '{"a":1,"sso":2}',
    '{record.service: 1, "sso": 2}': 'failed: the map has a key twice',
    '"\\u0000\\n\\""': '"\\u0000\\n\\""',
  })
})

test('work that grows faster than the record ends with EXPRESSION_LIMIT, whatever is configured', async () => {
  const list = `{"list":[${Array.from({ length: 3000 }, (_, at) => at).join(',')}],"text":"${'a'.repeat(20_000)}"}`
  const expressions = [
    'record.list.all(x, record.list.all(y, record.list.all(z, true)))',
    'record.list.all(x, record.none || record.list.all(y, record.none || record.list.all(z, record.none)))',
    'record.list.exists(x, record.list.exists(y, record.none || x + y < 0))',
    'record.list.map(x, record.list)',
    'record.list.map(x, record.text + string(x)).join("")',
    `cel.bind(a, record.text + record.text, ${'cel.bind(a, a + a, '.repeat(20)}a${')'.repeat(20)})`,
    'record.list.all(x, record.text.matches("^(a+)+$"))',
    'record.list.all(x, record.text == record.text)',
    'record.list.all(x, !record.text.contains("b"))',
    'record.list.map(x, {record.text: x})',
  ]
  for (const value of expressions) {
    const config = { members: [{ path: 'out', value, default: 1 }], onError: 'skip' }
    const { rejects } = await runStage(compute, config, [list])
    assert.deepEqual(
      rejects.map(({ code, detail }) => [code, detail]),
      [['EXPRESSION_LIMIT', 'members[0] out: it takes more steps than a record of this length may']],
      value,
    )
  }
})

test('the budget grows with the record: one pass over a long record always fits', async () => {
  const record = `{"list":[${Array.from({ length: 300_000 }, () => 1).join(',')}]}`
  const value = 'record.list.all(x, x > 0) && size(record.list.filter(x, x == 1)) == 300000'
  const { lines } = await runStage(compute, { members: [{ path: 'out', value }] }, [record])
  assert.match(lines[0], /"out":true\}$/)
})
