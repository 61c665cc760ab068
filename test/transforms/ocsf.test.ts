import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { constant, constantFrom, oneof, record as recordOf, sample as sampleOf } from 'fast-check'
import type { Arbitrary } from 'fast-check'
import { Edit } from '../../src/record/batch.ts'
import type { Json, JsonObject } from '../../src/record/json/json.ts'
import { isList, isObject } from '../../src/record/json/json.ts'
import ocsf from '../../src/transforms/ocsf.ts'
import { CATEGORIES, CLASSES, COMMON } from '../../src/transforms/ocsf/classes.ts'
import { sourcesOf } from '../../src/transforms/ocsf/effect.ts'
import type { Assignments } from '../../src/transforms/ocsf/mapping.ts'
import { readMapping } from '../../src/transforms/ocsf/read-mapping.ts'
import { OBJECTS, typeOfMember } from '../../src/transforms/ocsf/objects.ts'
import type { ObjectFacts } from '../../src/transforms/ocsf/objects.ts'
import { fixture, REPOSITORY } from '../support/paths.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { checkStage, parse, runStage } from './stage.ts'

const VENDORS = ['jumpcloud', 'okta', 'github', 'cloudtrail'] as const

/** The JSON Schemas of OCSF 1.8.0, one for each class. They are not a part of this repository. */
const SCHEMAS = process.env['OCSF_SCHEMAS'] ?? join(REPOSITORY, '../shared/ocsf')

function samplesOf(vendor: string): string[] {
  return linesOf(fixture(`ocsf/${vendor}.ndjson`))
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
}

for (const vendor of VENDORS) {
  describe(`events of ${vendor}`, () => {
    const samples = samplesOf(vendor)

    test('become events with all that their class requires', async () => {
      const { lines, rejects } = await runStage(ocsf, { vendor }, samples)
      assert.deepEqual([lines.length, rejects], [samples.length, []])
      for (const line of lines) assertEvent(parseObject(line))
      const named = lines.filter((line) => parseObject(line)['class_uid'] !== 0).length
      assert.ok(named / lines.length > 0.9, `${named} of ${lines.length} have a class of their own`)
    })

    test('are valid by the JSON Schemas of OCSF', async (t) => {
      if (!existsSync(SCHEMAS)) {
        t.skip(`no JSON Schemas of OCSF in ${SCHEMAS}; OCSF_SCHEMAS names another folder`)
        return
      }
      const { lines } = await runStage(ocsf, { vendor }, samples)
      for (const line of lines) assertValid(parseObject(line))
    })

    test('lose no member', async () => {
      const { lines } = await runStage(ocsf, { vendor }, samples)
      for (const [at, line] of lines.entries()) assertNothingLost(vendor, parseObject(samples[at]), parseObject(line))
    })

    test('stay valid and whole whatever values their members have', async () => {
      const values: readonly Json[] = [
        null,
        '',
        'x',
        '203.0.113.9',
        0,
        -1.5,
        1e300,
        true,
        [],
        ['a'],
        [{ id: 'i' }],
        {},
        { id: 'i' },
        '"\\\u0000é',
      ]
      const changed = samples.flatMap((sample, seed) => {
        const [event] = sampleOf(changes(parseObject(sample), values), { numRuns: 1, seed })
        return JSON.stringify(event)
      })
      const { lines, rejects } = await runStage(ocsf, { vendor }, changed)
      for (const { code, detail } of rejects) assert.deepEqual([code, detail], ['VALUE_MISSING', 'no value for time'])
      const kept = changed.filter((line) => !rejects.some(({ text }) => text === line))
      assert.equal(lines.length, kept.length)
      for (const [at, line] of lines.entries()) {
        assertEvent(parseObject(line))
        assertNothingLost(vendor, parseObject(kept[at]), parseObject(line))
      }
    })
  })
}

/** Events of these vendors, by their kind, become events of this type. */
const TYPES: { readonly [vendor: string]: { readonly [kind: string]: string } } = {
  github: {
    'git.clone': 'Web Resources Activity: Read',
    'git.push': 'Web Resources Activity: Update',
    'repo.access': 'Entity Management: Update',
    'repo.archived': 'Entity Management: Disable',
    'org.block_user': 'Entity Management: Disable',
    'org.audit_log_export': 'Entity Management: Read',
    'organization_moderators.add_user': 'User Access Management: Assign Privileges',
    'repository_vulnerability_alert.dismiss': 'Detection Finding: Close',
    'integration_installation.repositories_removed': 'Entity Management: Delete',
  },
  okta: {
    'user.account.report_suspicious_activity_by_enduser': 'Detection Finding: Create',
    'app.oauth2.as.token.detect_reuse': 'Detection Finding: Create',
    'user.session.impersonation.initiate': 'Authentication: Account Switch',
    'user.session.impersonation.end': 'Authentication: Logoff',
    'application.user_membership.show_password': 'Entity Management: Read',
    'user.account.lock': 'Account Change: Lock',
    'group.application_assignment.remove': 'Group Management: Revoke Privileges',
  },
  cloudtrail: {
    SwitchRole: 'Authentication: Account Switch',
    ExternalIdPDirectoryLogin: 'Authentication: Logon',
    PasswordUpdated: 'Account Change: Password Change',
    ScheduleKeyDeletion: 'API Activity: Delete',
    SendCommand: 'API Activity: Create',
    RotateKey: 'API Activity: Update',
    AdminGetUser: 'API Activity: Read',
    CreateGroupMembership: 'Group Management: Add User',
  },
}

for (const [vendor, types] of Object.entries(TYPES)) {
  test(`kinds of ${vendor} take the class that OCSF has for them`, async () => {
    const { type } = readMapping(join(REPOSITORY, 'ocsf', `${vendor}.yaml`))
    const samples = samplesOf(vendor).filter((line) => Object.hasOwn(types, spell(parseObject(line)[type] ?? '')))
    const { lines } = await runStage(ocsf, { vendor }, samples)
    const found = new Set(
      lines.map((line, at) => `${spell(parseObject(samples[at])[type])} ${spell(parseObject(line)['type_name'])}`),
    )
    assert.deepEqual(found, new Set(Object.entries(types).map(([kind, name]) => `${kind} ${name}`)))
  })
}

test('insights of CloudTrail are findings, created and closed', async () => {
  const samples = samplesOf('cloudtrail').filter((line) => line.includes('AwsCloudTrailInsight'))
  const { lines } = await runStage(ocsf, { vendor: 'cloudtrail' }, samples)
  assert.deepEqual(
    lines.map((line) => [parseObject(line)['type_name'], parseObject(line)['finding_info']]),
    ['Create', 'Close'].map((name) => [
      `Detection Finding: ${name}`,
      { uid: 's-1', title: 'ApiCallRateInsight', desc: 'ListUsers', data_sources: ['iam.amazonaws.com'] },
    ]),
  )
})

test('a request to the API of GitHub is API Activity, or without an address Web Resources Activity', async () => {
  const samples = samplesOf('github').filter((line) => /"api\.request".*request_method/.test(line))
  const { lines } = await runStage(ocsf, { vendor: 'github' }, samples)
  for (const [at, line] of lines.entries()) {
    const { class_name, activity_name } = parseObject(line)
    const { actor_ip, request_method } = parseObject(samples[at])
    const activities: JsonObject = { GET: 'Read', POST: 'Create', PATCH: 'Update', DELETE: 'Delete' }
    assert.deepEqual(
      [class_name, activity_name],
      [actor_ip === undefined ? 'Web Resources Activity' : 'API Activity', activities[spell(request_method)]],
    )
  }
})

/** A folder of further events, such as your own, in files `okta.ndjson` and so on. */
const FURTHER = process.env['OCSF_SAMPLES']

describe('further events', () => {
  if (FURTHER === undefined) {
    test('of the folder that OCSF_SAMPLES names', (t) => {
      t.skip('OCSF_SAMPLES is not set')
    })
    return
  }
  const vendors = VENDORS.filter((vendor) => existsSync(join(FURTHER, `${vendor}.ndjson`)))
  test('have a file', () => {
    assert.ok(vendors.length > 0, `${FURTHER} has none of ${VENDORS.map((vendor) => `${vendor}.ndjson`).join(', ')}`)
  })
  for (const vendor of vendors) {
    test(`of ${vendor} become valid events and lose no member`, async (t) => {
      const samples = linesOf(join(FURTHER, `${vendor}.ndjson`))
      const { lines, rejects } = await runStage(ocsf, { vendor }, samples)
      for (const { code, detail, text } of rejects)
        assert.deepEqual([code, detail], ['VALUE_MISSING', 'no value for time'], text)
      const kept = samples.filter((line) => !rejects.some(({ text }) => text === line))
      assert.equal(lines.length, kept.length)
      for (const [at, line] of lines.entries()) {
        const event = parseObject(line)
        assertEvent(event)
        if (existsSync(SCHEMAS)) assertValid(event)
        assertNothingLost(vendor, parseObject(kept[at]), event)
      }
      for (const [name, count] of countClasses(lines)) t.diagnostic(`${vendor}: ${count} ${name}`)
      if (rejects.length > 0) t.diagnostic(`${vendor}: ${rejects.length} rejected without a time`)
      if (!existsSync(SCHEMAS)) t.diagnostic(`no JSON Schemas of OCSF in ${SCHEMAS}: not validated by them`)
    })
  }
})

test('an event is written in full, and what has no place keeps its bytes', async () => {
  const { lines } = await runStage(ocsf, { vendor: 'okta' }, [
    '{"uuid":"u-1","published":"2024-03-04T18:01:26.123Z","eventType":"user.session.start","severity":"WARN","outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"},"actor":{"id":"00u1","alternateId":"ann@example.com","displayName":"Ann","type":"User"},"client":{"ipAddress":"203.0.113.7"},"odd":{ "n" : 12345678901234567890.10, "\\u0061":"\\u00e9" }}',
  ])
  assert.deepEqual(lines, [
    '{"class_uid":3002,"class_name":"Authentication","category_uid":3,"category_name":"Identity & Access Management","type_uid":300201,"type_name":"Authentication: Logon","activity_id":1,"activity_name":"Logon",' +
      '"metadata":{"version":"1.8.0","profiles":["cloud"],"original_time":"2024-03-04T18:01:26.123Z","uid":"u-1","event_code":"user.session.start","product":{"name":"Okta System Log","vendor_name":"Okta"}},' +
      '"time":1709575286123,"cloud":{"provider":"Okta"},"severity_id":3,"status_id":2,"status_detail":"INVALID_CREDENTIALS","src_endpoint":{"ip":"203.0.113.7"},' +
      '"actor":{"user":{"uid":"00u1","name":"ann@example.com","full_name":"Ann","type":"User"}},"user":{"uid":"00u1","name":"ann@example.com","full_name":"Ann","type":"User"},"service":{"name":"Okta"},' +
      '"severity":"Medium","status":"Failure",' +
      '"unmapped":{"outcome":{"result":"FAILURE"},"actor":{},"client":{},"odd":{ "n" : 12345678901234567890.10, "\\u0061":"\\u00e9" }}}',
  ])
})

test('an event without what its class requires becomes a base event, with its name', async () => {
  const { lines } = await runStage(ocsf, { vendor: 'cloudtrail' }, [
    '{"eventID":"e","eventTime":"2024-03-04T18:01:26Z","eventName":"GetThing"}',
  ])
  const { class_uid, activity_id, activity_name, type_uid, unmapped } = parseObject(lines[0])
  assert.deepEqual([class_uid, activity_id, activity_name, type_uid, unmapped], [0, 99, 'GetThing', 99, undefined])
})

test('an event without what the class of its rule requires takes the next rule that matches', async () => {
  const { lines } = await runStage(ocsf, { vendor: 'cloudtrail' }, [
    '{"eventTime":"2024-03-04T18:01:26Z","eventName":"CreateAccessKey","eventSource":"iam.amazonaws.com","sourceIPAddress":"203.0.113.7","userIdentity":{"type":"Root"},"requestParameters":null}',
    '{"eventTime":"2024-03-04T18:01:26Z","eventName":"CreateAccessKey","eventSource":"iam.amazonaws.com","sourceIPAddress":"203.0.113.7","userIdentity":{"type":"Root"},"requestParameters":{"userName":"ann"}}',
  ])
  assert.deepEqual(
    lines.map((line) => parseObject(line)['type_name']),
    ['API Activity: Create', 'Account Change: Enable'],
  )
})

test('numbers in any spelling have a place', async () => {
  const { lines } = await runStage(ocsf, { vendor: 'okta' }, [
    '{"uuid":12345678901234567890,"published":"2024-03-04T18:01:26Z","client":{"ipAddress":"203.0.113.7","geographicalContext":{"city":"Oslo","geolocation":{"lat":59.90,"lon":1e1}}}}',
  ])
  assert.match(lines[0], /"uid":"12345678901234567890"/)
  const { lines: placed } = await runStage(ocsf, { vendor: 'okta' }, [
    '{"published":"2024-03-04T18:01:26Z","uuid":"u","client":{"ipAddress":"203.0.113.7","geographicalContext":{"city":"Oslo","geolocation":{"lat":59.90,"lon":1e400}}}}',
  ])
  assert.match(placed[0], /"location":\{"city":"Oslo","lat":59\.90\}/)
  assert.match(placed[0], /"unmapped":\{.*"lon":1e400/)
})

test('a record without a time is rejected as it came, and so is one that would be too long', async () => {
  const long = `{"uuid":"u","published":"2024-03-04T18:01:26Z","x":"${'y'.repeat((1 << 20) - 80)}"}`
  const without = ['{"uuid":"u"}', '{"published":"yesterday"}', '{"published":null}', '{"published":{"a":1}}']
  const { lines, rejects } = await runStage(ocsf, { vendor: 'okta' }, [...without, long])
  assert.deepEqual(lines, [])
  assert.deepEqual(
    rejects.map(({ code, text }) => [code, text]),
    [...without.map((text) => ['VALUE_MISSING', text]), ['TOO_LONG', long]],
  )
})

test('the time is read in seconds, milliseconds and RFC 3339, and kept as it came', async () => {
  const { lines } = await runStage(ocsf, { vendor: 'github' }, [
    '{"action":"x","@timestamp":1714521600123}',
    '{"action":"x","@timestamp":1714521600}',
    '{"action":"x","created_at":"2024-05-01T02:00:00.5+02:00"}',
    '{"action":"x","created_at":1714521600123.0}',
    '{"action":"x","created_at":1.714521600123e+12}',
    '{"action":"x","created_at":1714521601.001}',
  ])
  const times = lines.map((line) => {
    const { time, metadata } = parseObject(line)
    return [time, isObject(metadata) && metadata['original_time']]
  })
  assert.deepEqual(times, [
    [1714521600123, '1714521600123'],
    [1714521600000, '1714521600'],
    [1714521600500, '2024-05-01T02:00:00.5+02:00'],
    [1714521600123, '1714521600123.0'],
    [1714521600123, '1.714521600123e+12'],
    [1714521601001, '1714521601.001'],
  ])
})

test('a text that is no address names the endpoint', async () => {
  const events = ['203.0.113.7', '2001:db8::1', 'fe80::1%eth0', 'ec2.amazonaws.com', 'hmac:00ff'].map(
    (sourceIPAddress) => ({ eventID: 'e', eventTime: '2024-03-04T18:01:26Z', eventName: 'x', sourceIPAddress }),
  )
  const { lines } = await runStage(ocsf, { vendor: 'cloudtrail' }, events)
  assert.deepEqual(
    lines.map((line) => parseObject(line)['unmapped']),
    events.map(({ sourceIPAddress }) => ({ sourceIPAddress })),
    'a base event has no endpoint',
  )
  const calls = events.map((event) => ({ ...event, userIdentity: { type: 'Root' } }))
  const { lines: called } = await runStage(ocsf, { vendor: 'cloudtrail' }, calls)
  assert.deepEqual(
    called.map((line) => parseObject(line)['src_endpoint']),
    [
      { ip: '203.0.113.7' },
      { ip: '2001:db8::1' },
      { domain: 'fe80::1%eth0' },
      { domain: 'ec2.amazonaws.com' },
      { domain: 'hmac:00ff' },
    ],
  )
})

test('edits of earlier stages count: a removed value has no place, and a replaced one is the new one', async () => {
  const line = '{"uuid":"u","published":"2024-03-04T18:01:26Z","displayMessage":"m","x":{"secret":1},"version":"0"}'
  const { lines } = await runStage(ocsf, { vendor: 'okta' }, [line], {
    before(batch) {
      const { paths } = batch
      batch.edit(batch.hit(0, paths.add('x.secret')), Edit.delete)
      batch.edit(batch.hit(0, paths.add('version')), Edit.delete)
      batch.edit(batch.hit(0, paths.add('displayMessage')), batch.token(Buffer.from('"masked"')))
    },
  })
  const { message, metadata, unmapped } = parseObject(lines[0])
  assert.deepEqual([message, unmapped], ['masked', { x: {} }])
  assert.ok(isObject(metadata) && metadata['log_version'] === undefined)
})

test('of duplicate keys the one that a reader sees is taken, and none is left', async () => {
  const { lines } = await runStage(ocsf, { vendor: 'okta' }, [
    '{"uuid":"a","uuid":"b","published":"2024-03-04T18:01:26Z","actor":{"id":"x"},"actor":{"id":"y"}}',
  ])
  const { metadata, unmapped } = parseObject(lines[0])
  assert.ok(isObject(metadata))
  assert.deepEqual([metadata['uid'], lines[0].includes('"a"'), unmapped], ['b', false, { actor: {} }])
})

test('a mapping of your own: alternatives, tables, elements of arrays and lists of objects', async (t) => {
  const mapping = await writeMapping(
    t,
    `type: kind
all:
  time: at
  metadata.product.name: { value: Example }
  cloud.provider: { value: Example }
  severity_id: { from: level, map: { high: 4, '*': 2 }, else: 1 }
  src_endpoint.ip | src_endpoint.name: [peer, host]
events:
  - names: ['doc.*.read']
    when: { secret: true }
    class: web_resources_activity
    activity: Read
    set:
      web_resources: { each: files, where: { type: [doc, sheet] }, set: { uid: id, name: [title, id], labels: tag } }
      http_request.x_forwarded_for: via
  - names: ['doc.*.read']
    class: web_resources_activity
    activity: Read
    set:
      web_resources: { set: { uid: doc.id, type: { from: doc.sort, map: { s: Sheet } } } }
  - names: ['*']
    class: entity_management
    activity: Other
    set: { entity.uid: 'files[type=doc].owner.id' }
`,
  )
  const { lines } = await runStage(ocsf, { mapping }, [
    '{"kind":"doc.a.read","at":1714521600123,"secret":true,"level":"high","peer":"203.0.113.7","host":"h","via":["10.0.0.1"],"files":[{"type":"doc","id":1,"title":"T"},{"type":"img","id":2},{"type":"sheet","id":"","tag":"x"},7]}',
    '{"kind":"doc.a.read","at":1714521600123,"level":"low","peer":"p","files":[{"type":"img"},{"type":"doc","owner":{"id":"o-1"}}]}',
    '{"kind":"docread","at":1714521600123,"files":"none"}',
    '{"kind":"doc.a.read","at":1714521600123,"doc":{"id":7,"sort":"s","size":1}}',
  ])
  const [first, second, third, fourth] = lines.map(parseObject)
  assert.deepEqual(
    [fourth['class_name'], fourth['web_resources'], fourth['unmapped']],
    ['Web Resources Activity', [{ uid: '7', type: 'Sheet' }], { kind: 'doc.a.read', doc: { size: 1 } }],
  )
  assert.deepEqual(first['web_resources'], [{ uid: '1', name: 'T' }])
  assert.deepEqual(
    [first['http_request'], first['severity'], first['src_endpoint']],
    [{ x_forwarded_for: ['10.0.0.1'] }, 'High', { ip: '203.0.113.7' }],
  )
  assert.deepEqual(
    [second['entity'], second['severity'], second['src_endpoint']],
    [{ uid: 'o-1' }, 'Low', { name: 'p' }],
  )
  assert.deepEqual(
    [third['class_uid'], third['severity'], third['unmapped']],
    [0, 'Informational', { kind: 'docread', files: 'none' }],
  )
})

const WRONG: readonly (readonly [string, string, RegExp])[] = [
  ['is no YAML', 'type: [', /:1:\d+: not valid YAML/],
  ['is no map', '- a', /:1:1: a mapping is a map/],
  ['has an unknown key', 'type: a\nevent: []', /:2:\d+: no key "event"; did you mean "events"/],
  ['has no type', 'events: []', /`type` is the path/],
  ['has no rules', 'type: a', /`events` is a list of rules/],
  [
    'names an unknown class',
    rule('class: authentification'),
    /:3:\d+: no class "authentification"; did you mean "authentication"/,
  ],
  [
    'names an unknown activity',
    rule('activity: Login'),
    /Authentication has no activity "Login"; did you mean "Logon"/,
  ],
  ['names no kinds', 'type: a\nevents: [{ class: authentication, activity: Logon }]', /`names` is a list/],
  ['has a condition with a mistake', rule('when: { a: { is: 1 } }'), /a test is a value/],
  ['sets what the class lacks', rule('set: { user.nam: a }'), /:3:\d+: user has no nam; did you mean "name"/],
  ['sets an object', rule('set: { user: a }'), /user is an object: write a path/],
  ['goes into a text', rule('set: { message.text: a }'), /message is not an object/],
  ['reads a path with wildcards', rule('set: { message: "a[*].b" }'), /is not a path of keys/],
  ['reads a path with a mistake', rule('set: { message: "a..b" }'), /path "a\.\.b"/],
  ['has a constant of another type', rule('set: { is_mfa: { value: 5 } }'), /the target is of type boolean/],
  ['fills a list with a path', rule('set: { auth_factors: a }'), /the target is a list of objects: write \{ each/],
  ['fills a text with one object', rule('set: { message: { set: { a: b } } }'), /is of type string, not a list/],
  [
    'chooses from no array',
    rule('set: { auth_factors: { where: { a: b }, set: {} } }'),
    /:3:\d+: `where` chooses elements/,
  ],
  [
    'sets what one object lacks',
    rule('set: { auth_factors: { set: { factor_typ: a } } }'),
    /has no factor_typ; did you mean "factor_type"/,
  ],
  [
    'fills a text with a list',
    rule('set: { message: { each: a, set: {} } }'),
    /is of type string, not a list of objects/,
  ],
]

for (const [what, text, message] of WRONG) {
  test(`a mapping that ${what} is refused, with its place`, async (t) => {
    const mapping = await writeMapping(t, text)
    const [finding, ...more] = await checkStage(ocsf, { mapping })
    assert.deepEqual([finding.at, more], [['mapping'], []])
    assert.ok(finding.message.startsWith(`${mapping}:`), finding.message)
    assert.match(finding.message, message)
  })
}

test('check wants one of vendor and mapping', async (t) => {
  assert.match((await checkStage(ocsf, {}))[0].message, /needs `vendor` or `mapping`/)
  const mapping = await writeMapping(t, 'type: a\nevents: []')
  assert.match((await checkStage(ocsf, { vendor: 'okta', mapping }))[0].message, /both/)
  assert.deepEqual(await checkStage(ocsf, { mapping }), [])
})

test('effectOn has what decides the values of a dedup key, and nothing else', async () => {
  const context = { pipeline: 'p', stage: 'ocsf', folder: '/' }
  const effectOn = async (vendor: 'okta' | 'github', ...targets: string[]) =>
    ocsf.effectOn?.({ vendor }, targets, context)
  assert.deepEqual(await effectOn('okta', 'metadata.uid'), { settings: { all: { 'metadata.uid': 'uuid' } } })
  const inside = JSON.stringify(await effectOn('okta', 'unmapped.actor.id'))
  assert.match(inside, /"actor\.user\.uid":"actor\.id"/)
  assert.doesNotMatch(inside, /published/)
  assert.match(JSON.stringify(await effectOn('github', 'class_uid')), /"class":"authentication"/)
})

// Judges

function assertEvent(event: JsonObject): void {
  const facts = CLASSES[classOf(event)]
  const { activity_id, type_uid, category_uid, category_name, unmapped, ...members } = event
  assert.ok(
    activity_id === 99 || activity_id === 0 || facts.activities[Number(activity_id) - 1] === event['activity_name'],
  )
  assert.deepEqual([type_uid, category_uid], [facts.uid * 100 + Number(activity_id), facts.category])
  assert.equal(category_name, CATEGORIES[facts.category])
  assert.ok(unmapped === undefined || isObject(unmapped))
  for (const name of ['time', 'metadata', 'cloud', 'severity_id']) assert.ok(name in members, name)
  const known = new Set(['class_uid', 'class_name', 'type_name', 'activity_name'])
  const rest = Object.entries(members).filter(([name]) => !known.has(name))
  assertObject(Object.fromEntries(rest), facts, [COMMON, facts])
}

function assertObject(object: JsonObject, facts: ObjectFacts, owners: readonly Pick<ObjectFacts, 'members'>[]): void {
  const { required = [], oneOf = [] } = facts
  for (const name of required) assert.ok(name in object, `${name} is required in ${JSON.stringify(object)}`)
  assert.ok(
    oneOf.length === 0 || oneOf.some((name) => name in object),
    `one of ${oneOf.join()} in ${JSON.stringify(object)}`,
  )
  for (const [name, value] of Object.entries(object)) {
    const type = owners.map((one) => typeOfMember(one, name)).find((found) => found !== undefined)
    assert.ok(type !== undefined, `no member ${name}`)
    assertValue(value, type)
  }
}

function assertValue(value: Json, type: string): void {
  const element = /^\[(.+)\]$/.exec(type)?.[1]
  if (element !== undefined) {
    assert.ok(isList(value) && value.length > 0)
    for (const one of value) assertValue(one, element)
    return
  }
  const facts = OBJECTS[type]
  if (facts !== undefined) {
    assert.ok(isObject(value) && Object.keys(value).length > 0)
    assertObject(value, facts, [facts])
    return
  }
  if (type === 'integer' || type === 'time')
    assert.ok(Number.isSafeInteger(value), `${JSON.stringify(value)} is no ${type}`)
  else assert.equal(typeof value, type === 'ip' || type === 'email' ? 'string' : type)
  assert.notEqual(value, '')
}

/** Each value of the record is in `unmapped`, or where the mapping says, as it was or by a table that can be read backwards. */
function assertNothingLost(vendor: string, record: JsonObject, event: JsonObject): void {
  const { unmapped = {}, ...mapped } = event
  const texts = new Set(valuesOf(mapped).flatMap((value) => [spell(value), ...numberOf(value)]))
  const left = new Map(leavesOf(unmapped).map(([path, value]) => [path, value]))
  for (const [path, value] of leavesOf(record)) {
    if (left.has(path)) assert.deepEqual(left.get(path), value, path)
    else
      assert.ok(
        texts.has(spell(value)) || isTranslated(vendor, path, spell(value), mapped),
        `${path} of ${JSON.stringify(record)}`,
      )
  }
}

/** Values, lists as a whole, and the values in lists and in the objects of lists. */
function valuesOf(value: Json): Json[] {
  return leavesOf(value).flatMap(([, leaf]) =>
    isList(leaf) ? [leaf, ...leaf.flatMap((one) => (isObject(one) ? valuesOf(one) : [one]))] : [leaf],
  )
}

/** The number of a text that spells one in another way than JavaScript, such as `1.50`. */
function numberOf(value: Json): string[] {
  return typeof value === 'string' && /^-?\d[\d.]*(?:[eE][+-]?\d+)?$/.test(value) ? [String(Number(value))] : []
}

function isTranslated(vendor: string, path: string, text: string, event: JsonObject): boolean {
  return tablesOf(vendor).some(({ target, sources, table }) => {
    if (!sources.includes(path) || !Object.hasOwn(table, text)) return false
    const values = leavesOf(event).filter(([name]) => name === target)
    return values.some(([, value]) => value === table[text])
  })
}

interface Table {
  readonly target: string
  readonly sources: readonly string[]
  readonly table: { readonly [text: string]: Json }
}

const tables = new Map<string, Table[]>()

function tablesOf(vendor: string): Table[] {
  const known = tables.get(vendor)
  if (known !== undefined) return known
  const { all, events } = readMapping(join(REPOSITORY, 'ocsf', `${vendor}.yaml`))
  const sets: Assignments[] = [all, ...events.map(({ set = {} }) => set)]
  const found = sets.flatMap((set) =>
    Object.entries(set).flatMap(([target, assignment]) => {
      const table = typeof assignment === 'object' && 'from' in assignment ? assignment.map : undefined
      return table === undefined ? [] : [{ target, sources: sourcesOf(assignment), table }]
    }),
  )
  tables.set(vendor, found)
  return found
}

/** The values that are neither objects nor elements of an array with members, with their paths; arrays as a whole. */
function leavesOf(value: Json, path = ''): (readonly [string, Json])[] {
  if (!isObject(value)) return [[path, value]]
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, path === '' ? key : `${path}.${key}`))
}

/** The event with some members replaced by other values, or gone. */
function changes(event: JsonObject, values: readonly Json[]): Arbitrary<JsonObject> {
  const change = (value: Json): Arbitrary<Json | undefined> => {
    const inner = isObject(value) ? changes(value, values) : constant(value)
    return oneof({ weight: 8, arbitrary: inner }, { weight: 1, arbitrary: constantFrom(...values, undefined) })
  }
  return recordOf(Object.fromEntries(Object.entries(event).map(([key, value]) => [key, change(value)]))).map((made) =>
    parseObject(JSON.stringify(made)),
  )
}

function spell(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function classOf({ class_uid }: JsonObject): string {
  const found = Object.entries(CLASSES).find(([, { uid }]) => uid === class_uid)
  assert.ok(found !== undefined, `class ${spell(class_uid)}`)
  return found[0]
}

const ajv = new Ajv2020({ strict: false })

/** By the JSON Schema of its class. */
function assertValid(event: JsonObject): void {
  const name = classOf(event)
  const isValid = ajv.getSchema(name) ?? ajv.addSchema(readSchema(name), name).getSchema(name)
  assert.ok(isValid?.(event), `${name}: ${ajv.errorsText(isValid?.errors)}: ${JSON.stringify(event)}`)
}

function readSchema(name: string): object {
  const schema: object = JSON.parse(readFileSync(join(SCHEMAS, `${name}.schema.json`), 'utf8'))
  return schema
}

function parseObject(line: string): JsonObject {
  const value = parse(line)
  assert.ok(isObject(value))
  return value
}

async function writeMapping(t: TestContext, text: string): Promise<string> {
  const path = join(await temporaryFolder(t), 'mapping.yaml')
  await writeFile(path, text)
  return path
}

function rule(more: string): string {
  const [name = ''] = more.split(':')
  const fields = { names: '[x]', class: 'authentication', activity: 'Logon' }
  const lines = Object.entries(fields).flatMap(([key, value]) => (key === name ? [] : `${key}: ${value}`))
  return `type: a\nevents:\n  - ${[more, ...lines].join('\n    ')}\n`
}

test('the mapping in docs/ocsf.md has no mistakes', async (t) => {
  const [, text = ''] = /```text\n([^]*?)```/.exec(readFileSync(join(REPOSITORY, 'docs/ocsf.md'), 'utf8')) ?? []
  assert.match(text, /^type: kind/)
  assert.deepEqual(await checkStage(ocsf, { mapping: await writeMapping(t, text) }), [])
})

test('docs/ocsf.md shows what becomes of the samples', async () => {
  const rows: string[][] = []
  for (const vendor of VENDORS) {
    const { lines } = await runStage(ocsf, { vendor }, samplesOf(vendor))
    for (const [name, count] of countClasses(lines)) rows.push([vendor, name, String(count)])
  }
  const page = readFileSync(join(REPOSITORY, 'docs/ocsf.md'), 'utf8')
  const shown = [...page.matchAll(/^\| (\w+) +\| ([\w &]+?) +\| +(\d+) \|$/gm)].map(([, ...cells]) => cells)
  assert.deepEqual(shown, rows)
})

/** How many events are of each class, by its name, most first. */
function countClasses(lines: readonly string[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const line of lines) {
    const { name } = CLASSES[classOf(parseObject(line))]
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)
}
