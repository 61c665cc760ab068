import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type {
  ChecksumAlgorithm,
  CompletedPart,
  CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommandInput,
  GetObjectCommandInput,
  PutObjectCommandInput,
  S3ClientConfig,
  UploadPartCommandInput,
} from '@aws-sdk/client-s3'
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import { Upload } from '@aws-sdk/lib-storage'
import { startS3Server } from './s3.ts'
import type { Fault, S3Server, S3ServerOptions } from './s3.ts'
import { chunkSignatures, sha256, signingKey } from './s3/protocol/signature.ts'
import { codeFile } from '../support/paths.ts'
import { HOUR } from '../../src/time.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MiB = 1024 * 1024
const Bucket = 'bucket'
const small = randomBytes(100_003)
const part1 = randomBytes(5 * MiB)
const part2 = randomBytes(1 * MiB + 17)

describe('a body', () => {
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] satisfies ChecksumAlgorithm[]) {
    test(`is stored with its ${ChecksumAlgorithm} checksum, which a reader can verify`, async (t) => {
      const { put, get } = await start(t)
      const name = `Checksum${ChecksumAlgorithm}` as const
      const written = await put('a', small, { ChecksumAlgorithm })
      const read = await get('a', { ChecksumMode: 'ENABLED' })
      assert.ok(written[name])
      assert.equal(read[name], written[name])
      assert.deepEqual(await bytesOf(read), small)
    })
  }

  test('sent as a stream is stored without the framing of its chunks', async (t) => {
    const { put, server } = await start(t)
    const Body = Readable.from([small.subarray(0, 50_000), small.subarray(50_000)])
    await put('a', Body, { ContentLength: small.length, ContentEncoding: 'gzip', ContentType: 'application/x-ndjson' })
    const object = server.objects(Bucket).get('a')
    assert.deepEqual(object?.body, small)
    assert.equal(object.etag, `"${createHash('md5').update(small).digest('hex')}"`)
    assert.equal(object.headers['content-encoding'], 'gzip')
    assert.equal(object.headers['content-type'], 'application/x-ndjson')
  })

  test('that does not match its checksum or MD5 is refused and not stored', async (t) => {
    const { put, server } = await start(t)
    const ContentMD5 = createHash('md5').update('other').digest('base64')
    assert.equal(await outcome(put('a', small, { ChecksumCRC32: 'AAAAAA==' })), '400 BadDigest')
    assert.equal(await outcome(put('a', small, { ChecksumSHA256: 'AAAA' })), '400 BadDigest')
    assert.equal(await outcome(put('a', small, { ContentMD5 })), '400 BadDigest')
    assert.equal(await outcome(put('a', small, { ContentMD5: 'AAAA' })), '400 InvalidDigest')
    assert.equal(server.objects(Bucket).size, 0)
  })

  test('of a client that disconnects within it is not stored', async (t) => {
    const { server } = await start(t)
    const request = rawPut(server, 'a', { payload: 'UNSIGNED-PAYLOAD', length: part1.length })
    request.on('error', () => undefined)
    request.write(part1.subarray(0, 2 * MiB))
    await until(() => server.count('PutObject') === 1)
    request.destroy()
    await until(() => server.requests[0]?.error !== undefined)
    assert.equal(server.requests[0]?.error, 'IncompleteBody')
    assert.equal(server.objects(Bucket).size, 0)
  })

  const crc = base64Crc32(small)
  const trailer = `x-amz-checksum-crc32:${crc}`
  const unsigned = [
    { name: 'with its checksum in the trailer is accepted', body: [chunk(small), end(trailer)], expected: '200' },
    {
      name: 'with a wrong checksum in the trailer is refused',
      body: [chunk(small), end('x-amz-checksum-crc32:AAAAAA==')],
      expected: '400 BadDigest',
    },
    { name: 'without the trailer it announced is refused', body: [chunk(small), end()], expected: '400 BadDigest' },
    {
      name: 'shorter than announced is refused',
      body: [chunk(small.subarray(1)), end(trailer)],
      expected: '400 IncompleteBody',
    },
    { name: 'that lacks its last chunk is refused', body: [chunk(small)], expected: '400 IncompleteBody' },
    {
      name: 'with a small chunk before its last is refused',
      body: [chunk(small.subarray(0, 100)), chunk(small.subarray(100)), end(trailer)],
      expected: '403 InvalidChunkSizeError',
    },
  ]
  for (const { name, body, expected } of unsigned) {
    test(`in unsigned chunks ${name}`, async (t) => {
      const { server } = await start(t)
      const headers = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
      const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
      assert.equal(await sendRaw(server, Buffer.concat(body), { payload, decoded: small.length, headers }), expected)
      assert.equal(server.objects(Bucket).get('raw')?.size, expected === '200' ? small.length : undefined)
    })
  }

  test('in signed chunks is accepted, and refused if a chunk or the trailer was changed', async (t) => {
    const { server } = await start(t)
    const payload = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'
    const headers = { 'x-amz-trailer': 'x-amz-checksum-crc32' }
    const send = (change: (body: Buffer) => void) => {
      const options = { payload, decoded: small.length, headers }
      return sendRaw(
        server,
        (signer) => {
          const body = Buffer.concat([
            signer.chunk(small.subarray(0, 65_536)),
            signer.chunk(small.subarray(65_536)),
            signer.end(trailer),
          ])
          change(body)
          return body
        },
        options,
      )
    }
    assert.equal(await send(() => undefined), '200')
    assert.deepEqual(server.objects(Bucket).get('raw')?.body, small)
    assert.equal(await send((body) => flip(body, 70_000)), '403 SignatureDoesNotMatch')
    assert.equal(await send((body) => flip(body, body.length - 5)), '403 SignatureDoesNotMatch')
  })

  test("in signed chunks is verified as in the examples of AWS's documentation", () => {
    const date = '20130524T000000Z'
    const scope = '20130524/us-east-1/s3/aws4_request'
    const key = signingKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', scope)
    const seed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9'
    const plain = chunkSignatures({ key, date, scope, seed })
    plain.chunk('ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', sha256('a'.repeat(65_536)))
    plain.chunk('0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', sha256('a'.repeat(1024)))
    plain.chunk('b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', sha256(''))
    assert.throws(() => plain.chunk('b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', sha256('')))

    const trailing = chunkSignatures({
      key,
      date,
      scope,
      seed: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    })
    trailing.chunk('b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2', sha256('a'.repeat(65_536)))
    trailing.chunk('1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7', sha256('a'.repeat(1024)))
    trailing.chunk('2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992', sha256(''))
    trailing.trailer(
      'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
      'x-amz-checksum-crc32c:sOO8/Q==\n',
    )
  })
})

describe('a request', () => {
  const cases: { name: string; config: S3ClientConfig; expected: string }[] = [
    {
      name: 'signed with a wrong secret',
      config: { credentials: { accessKeyId: 'AKIATESTTESTTESTTEST', secretAccessKey: 'wrong' } },
      expected: '403 SignatureDoesNotMatch',
    },
    {
      name: 'with an unknown key',
      config: { credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'wrong' } },
      expected: '403 InvalidAccessKeyId',
    },
    {
      name: 'of a clock one hour late',
      config: { systemClockOffset: -HOUR },
      expected: '403 RequestTimeTooSkewed',
    },
    { name: 'for another region', config: { region: 'eu-west-1' }, expected: '400 AuthorizationHeaderMalformed' },
    {
      name: 'without a signature',
      config: { signer: { sign: (request) => Promise.resolve(request) } },
      expected: '403 AccessDenied',
    },
  ]
  for (const { name, config, expected } of cases) {
    test(`${name} is refused`, async (t) => {
      const { server } = await start(t)
      const stranger = client(t, server, config)
      assert.equal(await outcome(stranger.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }))), expected)
      assert.equal(server.objects(Bucket).size, 0)
    })
  }

  test('with a signature for another body is refused', async (t) => {
    const { server } = await start(t)
    const payload = sha256('other')
    assert.equal(await sendRaw(server, small, { payload }), '400 XAmzContentSHA256Mismatch')
  })

  test('that expects another owner of the bucket is refused', async (t) => {
    const { put } = await start(t, { ownerId: '012345678901' })
    assert.equal(await outcome(put('a', 'x', { ExpectedBucketOwner: '012345678901' })), '200')
    assert.equal(await outcome(put('a', 'x', { ExpectedBucketOwner: '999999999999' })), '403 AccessDenied')
  })

  test('for an absent bucket, key or upload is refused with the right code', async (t) => {
    const { s3, get, part, head } = await start(t)
    const elsewhere = new PutObjectCommand({ Bucket: 'nowhere', Key: 'a', Body: 'x' })
    assert.equal(await outcome(s3.send(elsewhere)), '404 NoSuchBucket')
    assert.equal(await outcome(get('a')), '404 NoSuchKey')
    assert.equal(await outcome(head('a')), '404 NotFound')
    assert.equal(await outcome(part('a', 'bogus', 1, 'x')), '404 NoSuchUpload')
  })
})

describe('an object', () => {
  test('has its headers, and its acl for tests', async (t) => {
    const { put, head, server } = await start(t)
    await put('a', 'x', {
      CacheControl: 'no-store',
      Metadata: { run: 'r1' },
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'key-1',
      ACL: 'bucket-owner-full-control',
    })
    const { CacheControl, Metadata, ServerSideEncryption, SSEKMSKeyId } = await head('a')
    assert.deepEqual(
      { CacheControl, Metadata, ServerSideEncryption, SSEKMSKeyId },
      { CacheControl: 'no-store', Metadata: { run: 'r1' }, ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'key-1' },
    )
    assert.equal(server.objects(Bucket).get('a')?.acl, 'bucket-owner-full-control')
  })

  test('is written only under the conditions of its writer', async (t) => {
    const { put, head } = await start(t)
    assert.equal(await outcome(put('a', 'x', { IfMatch: '"00"' })), '404 NoSuchKey')
    assert.equal(await outcome(put('a', 'x', { IfNoneMatch: '*' })), '200')
    assert.equal(await outcome(put('a', 'y', { IfNoneMatch: '*' })), '412 PreconditionFailed')
    assert.equal(await outcome(put('a', 'y', { IfMatch: '"00"' })), '412 PreconditionFailed')
    assert.equal(await outcome(put('a', 'y', { IfMatch: (await head('a')).ETag })), '200')
  })

  test('is created by exactly one of many conditional writers', async (t) => {
    const { put, server } = await start(t)
    const writers = Array.from({ length: 12 }, (_, i) => outcome(put('a', `${i}`.repeat(1000), { IfNoneMatch: '*' })))
    const outcomes = await Promise.all(writers)
    assert.deepEqual(outcomes.toSorted(), ['200', ...Array<string>(11).fill('412 PreconditionFailed')])
    assert.equal(server.objects(Bucket).get('a')?.puts, 1)
    assert.equal(server.count('PutObject', 'a'), 12)
  })

  test('is read in ranges and under conditions', async (t) => {
    const { put, get } = await start(t)
    const { ETag } = await put('a', small)
    const ranges: [string, Buffer][] = [
      ['bytes=0-9', small.subarray(0, 10)],
      ['bytes=100-', small.subarray(100)],
      ['bytes=-5', small.subarray(-5)],
      ['bytes=99999-200000', small.subarray(99_999)],
    ]
    for (const [Range, expected] of ranges) {
      const answer = await get('a', { Range })
      assert.equal(answer.$metadata.httpStatusCode, 206)
      assert.deepEqual(await bytesOf(answer), expected)
    }
    assert.equal(await outcome(get('a', { Range: 'bytes=200000-' })), '416 InvalidRange')
    assert.match(await outcome(get('a', { IfNoneMatch: ETag })), /^304/)
    assert.match(await outcome(get('a', { IfModifiedSince: new Date(Date.now() + 60_000) })), /^304/)
    assert.equal(await outcome(get('a', { IfMatch: '"00"' })), '412 PreconditionFailed')
    assert.equal(await outcome(get('a', { IfUnmodifiedSince: new Date(0) })), '412 PreconditionFailed')
  })

  test('is copied with its headers, deleted alone, and deleted with others', async (t) => {
    const { s3, put, get, server } = await start(t)
    await put('a b', small, { Metadata: { run: 'r1' } })
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/a%20b` }))
    const copy = await get('copy')
    assert.deepEqual(copy.Metadata, { run: 'r1' })
    assert.deepEqual(await bytesOf(copy), small)
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a b' }))
    assert.deepEqual([...server.objects(Bucket).keys()], ['copy'])
    const Delete = { Objects: [{ Key: 'copy' }, { Key: 'never' }] }
    const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }))
    assert.deepEqual(
      Deleted?.map(({ Key }) => Key),
      ['copy', 'never'],
    )
    assert.equal(server.objects(Bucket).size, 0)
  })

  test('may have any key, and lists return the same key', async (t) => {
    const { s3, put, get } = await start(t)
    const keys = [
      'dt=2024-01-01/part 1+x.ndjson',
      'a%2Fb',
      'käse/日本.json',
      `q'uo"te`,
      'x&y<z>',
      'dir/',
      'a//b',
      '../up',
      'tilde~()!*',
      '\u{1f600}',
      '\uffee',
    ]
    for (const key of keys) {
      await put(key, key)
      assert.equal((await bytesOf(await get(key))).toString(), key)
    }
    const plain = await s3.send(new ListObjectsV2Command({ Bucket }))
    const encoded = await s3.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }))
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    assert.deepEqual(
      plain.Contents?.map(({ Key }) => Key),
      sorted,
    )
    assert.deepEqual(
      encoded.Contents?.map(({ Key }) => decodeURIComponent((Key ?? '').replaceAll('+', ' '))),
      sorted,
    )
    assert.equal(await outcome(put('k'.repeat(1025), 'x')), '400 KeyTooLongError')
  })

  test('is listed in pages, which count common prefixes', async (t) => {
    const { s3, put } = await start(t)
    for (let i = 0; i < 5; i++) for (const folder of ['a', 'b', 'c']) await put(`${folder}/${i}`, 'x')
    await put('top', 'x')
    const list = async (input: { Prefix?: string; Delimiter?: string; StartAfter?: string }): Promise<string[][]> => {
      const pages: string[][] = []
      let ContinuationToken: string | undefined
      do {
        const page = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 2, ContinuationToken, ...input }))
        const names = [
          ...(page.CommonPrefixes ?? []).map((it) => it.Prefix),
          ...(page.Contents ?? []).map((it) => it.Key),
        ]
        pages.push(names.map(String))
        ContinuationToken = page.NextContinuationToken
      } while (ContinuationToken !== undefined)
      return pages
    }
    assert.deepEqual(await list({ Prefix: 'b/' }), [['b/0', 'b/1'], ['b/2', 'b/3'], ['b/4']])
    assert.deepEqual(await list({ Delimiter: '/' }), [
      ['a/', 'b/'],
      ['c/', 'top'],
    ])
    assert.deepEqual(await list({ StartAfter: 'c/2' }), [['c/3', 'c/4'], ['top']])
  })
})

describe('a multipart upload', () => {
  test('of a stream by lib-storage becomes one object with the ETag and checksum of its parts', async (t) => {
    const { s3, server } = await start(t)
    const whole = Buffer.concat([part1, part1, part2])
    const upload = new Upload({
      client: s3,
      partSize: 5 * MiB,
      queueSize: 3,
      params: { Bucket, Key: 'a', Body: Readable.from(slices(whole, 65_536)), ContentType: 'application/x-ndjson' },
    })
    const { ETag, ChecksumType } = await upload.done()
    const object = server.objects(Bucket).get('a')
    assert.deepEqual(object?.body, whole)
    assert.equal(ETag, multipartEtag([part1, part1, part2]))
    assert.equal(object.etag, ETag)
    assert.equal(ChecksumType, 'COMPOSITE')
    assert.equal(object.headers['content-type'], 'application/x-ndjson')
    assert.equal(server.openUploads(Bucket), 0)
  })

  test('is invisible until it is completed, and a second Complete gets the same response', async (t) => {
    const { create, part, complete, server } = await start(t)
    const id = await create('a')
    const parts = [await part('a', id, 1, part1), await part('a', id, 2, part2)]
    assert.equal(server.objects(Bucket).size, 0)
    assert.equal(server.openUploads(Bucket), 1)
    const first = await complete('a', id, parts)
    const second = await complete('a', id, parts)
    assert.equal(second.ETag, first.ETag)
    assert.equal(server.objects(Bucket).get('a')?.puts, 1)
    assert.deepEqual(server.objects(Bucket).get('a')?.body, Buffer.concat([part1, part2]))
    assert.equal(await outcome(complete('a', id, parts, { IfNoneMatch: '*' })), '412 PreconditionFailed')
  })

  test('uses the last upload of each part, and only the parts that Complete lists', async (t) => {
    const { create, part, complete, server } = await start(t)
    const id = await create('a')
    await part('a', id, 1, part2)
    const first = await part('a', id, 1, part1)
    await part('a', id, 7, part1)
    await complete('a', id, [first, await part('a', id, 9, part2)])
    assert.deepEqual(server.objects(Bucket).get('a')?.body, Buffer.concat([part1, part2]))
  })

  const refused: { name: string; change: (parts: CompletedPart[]) => CompletedPart[]; expected: string }[] = [
    { name: 'no part', change: () => [], expected: '400 MalformedXML' },
    { name: 'parts out of order', change: (parts) => parts.toReversed(), expected: '400 InvalidPartOrder' },
    { name: 'a part twice', change: ([one = {}]) => [one, one], expected: '400 InvalidPartOrder' },
    {
      name: 'a part that was not uploaded',
      change: ([one = {}]) => [one, { ...one, PartNumber: 4 }],
      expected: '400 InvalidPart',
    },
    { name: 'a wrong ETag', change: ([one = {}]) => [{ ...one, ETag: '"00"' }], expected: '400 InvalidPart' },
    {
      name: 'a wrong checksum',
      change: ([one = {}]) => [{ ...one, ChecksumCRC32: 'AAAAAA==' }],
      expected: '400 InvalidPart',
    },
    {
      name: 'no checksum',
      change: ([one = {}]) => [{ ...one, ChecksumCRC32: undefined }],
      expected: '400 InvalidRequest',
    },
    {
      name: 'a small part before the last',
      change: ([, two = {}, three = {}]) => [two, three],
      expected: '400 EntityTooSmall',
    },
  ]
  test('is not completed with a wrong list of parts', async (t) => {
    const { create, part, complete, server } = await start(t)
    const id = await create('a', { ChecksumAlgorithm: 'CRC32' })
    const parts = [await part('a', id, 1, part1), await part('a', id, 2, part2), await part('a', id, 3, part2)]
    for (const { name, change, expected } of refused) {
      assert.equal(await outcome(complete('a', id, change(parts))), expected, name)
    }
    assert.equal(server.objects(Bucket).size, 0)
    assert.equal(server.openUploads(Bucket), 1)
  })

  test('checks its parts and the whole against a checksum of the full object', async (t) => {
    const { create, part, complete } = await start(t)
    const id = await create('a', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
    assert.equal(await outcome(part('a', id, 1, part1, { ChecksumCRC32: 'AAAAAA==' })), '400 BadDigest')
    assert.equal(await outcome(part('a', id, 1, part1, { ChecksumAlgorithm: 'SHA256' })), '400 InvalidRequest')
    const parts = [await part('a', id, 1, part1), await part('a', id, 2, part2)]
    const whole = base64Crc32(Buffer.concat([part1, part2]))
    assert.equal(await outcome(complete('a', id, parts, { ChecksumCRC32: 'AAAAAA==' })), '400 BadDigest')
    assert.equal(await outcome(complete('a', id, parts, { ChecksumType: 'COMPOSITE' })), '400 InvalidRequest')
    assert.equal(await outcome(complete('a', id, parts, { MpuObjectSize: 1 })), '400 InvalidRequest')
    const { ChecksumCRC32, ChecksumType } = await complete('a', id, parts, { ChecksumCRC32: whole })
    assert.deepEqual([ChecksumCRC32, ChecksumType], [whole, 'FULL_OBJECT'])
  })

  test('is completed by exactly one of several conditional Completes', async (t) => {
    const { create, part, complete, server } = await start(t)
    const uploads = await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const id = await create('a')
        return { id, parts: [await part('a', id, 1, part2)] }
      }),
    )
    const outcomes = await Promise.all(
      uploads.map(({ id, parts }) => outcome(complete('a', id, parts, { IfNoneMatch: '*' }))),
    )
    assert.deepEqual(outcomes.toSorted(), ['200', ...Array<string>(3).fill('412 PreconditionFailed')])
    assert.equal(server.objects(Bucket).get('a')?.puts, 1)
  })

  test('is listed with its parts in pages until it is aborted', async (t) => {
    const { s3, create, part, complete, server } = await start(t)
    const id = await create('logs/a')
    const parts = [await part('logs/a', id, 1, part2), await part('logs/a', id, 2, 'x')]
    const Key = 'logs/a'
    const listParts = (PartNumberMarker?: string) =>
      s3.send(new ListPartsCommand({ Bucket, Key, UploadId: id, MaxParts: 1, PartNumberMarker }))
    const page = await listParts()
    assert.deepEqual([page.IsTruncated, page.Parts?.[0]?.Size], [true, part2.length])
    assert.deepEqual(
      (await listParts(page.NextPartNumberMarker)).Parts?.map(({ ETag }) => ETag),
      [parts[1]?.ETag],
    )
    const uploads = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'logs/' }))
    const others = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'other/' }))
    assert.deepEqual(
      uploads.Uploads?.map(({ UploadId }) => UploadId),
      [id],
    )
    assert.equal(others.Uploads, undefined)

    const abort = () => s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id }))
    await abort()
    assert.equal(server.openUploads(Bucket), 0)
    assert.equal(await outcome(part(Key, id, 3, 'x')), '404 NoSuchUpload')
    assert.equal(await outcome(complete(Key, id, parts)), '404 NoSuchUpload')
    assert.equal(await outcome(listParts()), '404 NoSuchUpload')
    assert.equal(await outcome(abort()), '404 NoSuchUpload')
  })

  test('has parts 1 to 10,000, which may be copied from ranges of objects', async (t) => {
    const { s3, put, create, part, complete, server } = await start(t)
    await put('source', small)
    const id = await create('a')
    assert.equal(await outcome(part('a', id, 0, 'x')), '400 InvalidArgument')
    assert.equal(await outcome(part('a', id, 10_001, 'x')), '400 InvalidArgument')
    const copy = { Bucket, Key: 'a', UploadId: id, PartNumber: 10_000, CopySource: `${Bucket}/source` }
    const { CopyPartResult } = await s3.send(new UploadPartCopyCommand({ ...copy, CopySourceRange: 'bytes=10-19' }))
    await complete('a', id, [{ PartNumber: 10_000, ETag: CopyPartResult?.ETag }])
    assert.deepEqual(server.objects(Bucket).get('a')?.body, small.subarray(10, 20))
  })
})

describe('a fault', () => {
  const onPut: { name: string; fault: Fault; expected: string; stored: boolean }[] = [
    { name: 'reset at the start', fault: { kind: 'reset', at: 'start' }, expected: 'connection broken', stored: false },
    {
      name: 'reset within the body',
      fault: { kind: 'reset', at: 'body' },
      expected: 'connection broken',
      stored: false,
    },
    {
      name: 'reset in place of the answer',
      fault: { kind: 'reset', at: 'response' },
      expected: 'connection broken',
      stored: true,
    },
    {
      name: 'internal error',
      fault: { kind: 'error', code: 'InternalError' },
      expected: '500 InternalError',
      stored: false,
    },
    {
      name: 'other status',
      fault: { kind: 'error', code: 'InternalError', status: 502 },
      expected: '502 InternalError',
      stored: false,
    },
    {
      name: 'expired token',
      fault: { kind: 'error', code: 'ExpiredToken' },
      expected: '400 ExpiredToken',
      stored: false,
    },
    {
      name: 'access denied',
      fault: { kind: 'error', code: 'AccessDenied' },
      expected: '403 AccessDenied',
      stored: false,
    },
    {
      name: 'conflict',
      fault: { kind: 'error', code: 'ConditionalRequestConflict' },
      expected: '409 ConditionalRequestConflict',
      stored: false,
    },
    {
      name: 'failed precondition',
      fault: { kind: 'error', code: 'PreconditionFailed' },
      expected: '412 PreconditionFailed',
      stored: false,
    },
    { name: 'wrong checksum in the answer', fault: { kind: 'wrongChecksum' }, expected: '200', stored: true },
  ]
  for (const { name, fault, expected, stored } of onPut) {
    test(`of kind ${name} affects one Put, which is ${stored ? '' : 'not '}stored`, async (t) => {
      const { put, server } = await start(t)
      server.faults.add({ operation: 'PutObject', ...fault })
      assert.equal(await outcome(put('a', part1)), expected)
      assert.equal(server.objects(Bucket).has('a'), stored)
      assert.equal(server.requests[0]?.fault, fault.kind)
      assert.equal(await outcome(put('a', part1)), '200')
    })
  }

  test('may tell the client when to try again', async (t) => {
    const { put, server } = await start(t)
    server.faults.add({ kind: 'error', code: 'SlowDown', retryAfter: 7 })
    const error = await put('a', 'x').catch((reason: unknown) => reason)
    assert.ok(error instanceof S3ServiceException)
    assert.equal(error.name, 'SlowDown')
    assert.equal(error.$response?.headers['retry-after'], '7')
  })

  test('inside a response with status 200 leaves an upload open and an object uncopied', async (t) => {
    const { s3, put, create, part, complete, server } = await start(t)
    const operation = ['CompleteMultipartUpload', 'CopyObject'] as const
    server.faults.add({ kind: 'errorInside200', code: 'InternalError', operation, times: 2 })
    const id = await create('a')
    const parts = [await part('a', id, 1, part2)]
    assert.match(await outcome(complete('a', id, parts)), /InternalError$/)
    assert.equal(server.openUploads(Bucket), 1)
    await put('b', 'x')
    const copy = new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/b` })
    assert.match(await outcome(s3.send(copy)), /InternalError$/)
    assert.deepEqual([...server.objects(Bucket).keys()], ['b'])
    assert.equal(await outcome(complete('a', id, parts)), '200')
  })

  test('may lose the response to a Complete, or deny its upload', async (t) => {
    const { create, part, complete, server } = await start(t)
    const operation = 'CompleteMultipartUpload'
    const id = await create('a')
    const parts = [await part('a', id, 1, part2)]
    server.faults.add({ kind: 'error', code: 'NoSuchUpload', operation })
    server.faults.add({ kind: 'reset', at: 'response', operation })
    assert.equal(await outcome(complete('a', id, parts, { IfNoneMatch: '*' })), '404 NoSuchUpload')
    assert.equal(await outcome(complete('a', id, parts, { IfNoneMatch: '*' })), 'connection broken')
    assert.equal(await outcome(complete('a', id, parts, { IfNoneMatch: '*' })), '412 PreconditionFailed')
    assert.equal(server.objects(Bucket).get('a')?.puts, 1)
  })

  test('may truncate, corrupt or slow the response to a Get', async (t) => {
    const { put, get, server } = await start(t)
    await put('a', small)
    server.faults.add({ kind: 'reset', at: 'body', operation: 'GetObject', afterBytes: 1000 })
    const cut = await readUntilError(asReadable((await get('a')).Body))
    assert.deepEqual([cut.failed, cut.bytes], [true, 1000])

    server.faults.add({ kind: 'wrongChecksum', operation: 'GetObject' })
    await assert.rejects(async () => bytesOf(await get('a')), /[Cc]hecksum/)

    server.faults.add({ kind: 'slow', bytesPerSecond: 100, operation: 'GetObject' })
    const slow = asReadable((await get('a')).Body)
    const first = await new Promise<Buffer>((resolve) => slow.once('data', resolve))
    assert.ok(first.length < small.length)
    slow.destroy()
    assert.deepEqual(await bytesOf(await get('a')), small)
  })

  for (const at of ['start', 'response'] as const) {
    test(`may hang at the ${at} until the server is closed`, async (t) => {
      const { put, server } = await start(t)
      server.faults.add({ kind: 'hang', at })
      const hanging = outcome(put('a', 'x'))
      await until(() => server.requests[0]?.fault === 'hang' && server.objects(Bucket).has('a') === (at === 'response'))
      await server.close()
      assert.equal(await hanging, 'connection broken')
    })
  }

  test('affects the configured keys, number and share of requests', async (t) => {
    const { put, head, server } = await start(t)
    await put('a', 'x')
    const fate = async (key: string): Promise<boolean> => (await outcome(head(key))) === '200'
    const fates = async (count: number): Promise<boolean[]> => {
      const seen: boolean[] = []
      for (let i = 0; i < count; i++) seen.push(await fate('a'))
      return seen
    }
    const counted = server.faults.add({ kind: 'error', code: 'SlowDown', key: /^a$/, after: 1, times: 2 })
    assert.deepEqual(await fates(5), [true, false, false, true, true])
    assert.equal(counted.triggered, 2)

    const elsewhere = server.faults.add({ kind: 'error', code: 'SlowDown', key: 'b' })
    assert.deepEqual(await fates(2), [true, true])
    elsewhere.remove()

    const share: Fault = { kind: 'error', code: 'SlowDown', times: Infinity, probability: 0.5, seed: 42 }
    const first = server.faults.add(share)
    const before = await fates(20)
    first.remove()
    server.faults.add(share)
    assert.deepEqual(await fates(20), before)
    assert.equal(new Set(before).size, 2)
    server.faults.clear()
    assert.deepEqual(await fates(2), [true, true])
  })
})

describe('a server', () => {
  test('that ignores conditions overwrites an object, and counts it', async (t) => {
    const { put, server } = await start(t, { ignoreConditions: true })
    await put('a', 'x', { IfNoneMatch: '*' })
    assert.equal(await outcome(put('a', 'y', { IfNoneMatch: '*' })), '200')
    assert.equal(server.objects(Bucket).get('a')?.puts, 2)
  })

  test('that denies reading accepts objects and returns none', async (t) => {
    const { s3, put, get, head } = await start(t, { denyRead: true })
    await put('a', 'x')
    assert.equal(await outcome(get('a')), '403 AccessDenied')
    assert.match(await outcome(head('a')), /^403/)
    assert.equal((await s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 1)
  })

  test('that denies listing responds 403 for an absent key', async (t) => {
    const { s3, put, get } = await start(t, { denyList: true })
    await put('a', 'x')
    assert.equal(await outcome(get('a')), '200')
    assert.equal(await outcome(get('b')), '403 AccessDenied')
    assert.equal(await outcome(s3.send(new ListObjectsV2Command({ Bucket }))), '403 AccessDenied')
    assert.equal(await outcome(s3.send(new ListMultipartUploadsCommand({ Bucket }))), '403 AccessDenied')
    assert.match(await outcome(s3.send(new HeadBucketCommand({ Bucket }))), /^403/)
  })

  test('returns credentials for its role, which are valid until they expire', async (t) => {
    const role = { arn: 'arn:aws:iam::111122223333:role/writer', externalId: 'tenant-1' }
    const { server } = await start(t, { role })
    const write = (assumed: S3ClientConfig): Promise<string> =>
      outcome(client(t, server, assumed).send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' })))
    const assume = (RoleArn: string, ExternalId: string): S3ClientConfig => ({
      credentials: fromTemporaryCredentials({
        masterCredentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
        params: { RoleArn, ExternalId, RoleSessionName: 'test' },
        clientConfig: { endpoint: server.endpoint, region: server.region, maxAttempts: 1 },
      }),
    })
    assert.equal(await write(assume(role.arn, 'tenant-2')), '403 AccessDenied')
    assert.equal(await write(assume(`${role.arn}s`, 'tenant-1')), '403 AccessDenied')
    assert.equal(await write(assume(role.arn, 'tenant-1')), '200')
    const put = server.requests.find(({ operation }) => operation === 'PutObject')
    assert.match(put?.accessKeyId ?? '', /^ASIA/)
    assert.equal(server.count('AssumeRole'), 3)
  })

  test('refuses temporary credentials that have expired or have no token', async (t) => {
    const role = { arn: 'arn:aws:iam::111122223333:role/writer', sessionSeconds: 0 }
    const { server } = await start(t, { role })
    const issued = await fromTemporaryCredentials({
      masterCredentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
      params: { RoleArn: role.arn, RoleSessionName: 'test' },
      clientConfig: { endpoint: server.endpoint, region: server.region },
    })()
    const { accessKeyId, secretAccessKey, sessionToken } = issued
    const write = (credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) =>
      outcome(client(t, server, { credentials }).send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' })))
    assert.ok(sessionToken)
    assert.equal(await write({ accessKeyId, secretAccessKey, sessionToken }), '400 ExpiredToken')
    assert.equal(await write({ accessKeyId, secretAccessKey }), '400 InvalidToken')
  })

  test('that does not read gives its client backpressure, and accepts everything once it reads', async (t) => {
    const { s3, server } = await start(t)
    const body = randomBytes(64 * MiB)
    server.throttle(0)
    const request = rawPut(server, 'raw', { payload: 'UNSIGNED-PAYLOAD', length: body.length })
    const answered = answerOf(request)
    request.end(body)
    await until(() => server.count('PutObject') === 1)
    for (let i = 0; i < 50; i++) await s3.send(new HeadBucketCommand({ Bucket }))
    assert.equal(server.requests[0]?.bytesReceived, 0)
    assert.ok((request.socket?.writableLength ?? 0) > 0)

    server.throttle(1024 * MiB)
    const response = await answered
    response.resume()
    assert.equal(response.statusCode, 200)
    assert.equal(server.requests[0]?.bytesReceived, body.length)
    assert.ok(server.objects(Bucket).get('raw')?.body.equals(body))
  })

  test('still has its objects and uploads after an outage', async (t) => {
    const { put, server } = await start(t)
    await put('a', 'x')
    await server.outage(true)
    assert.equal(await outcome(put('b', 'x')), 'connection broken')
    await server.outage(false)
    assert.equal(await outcome(put('b', 'x')), '200')
    assert.deepEqual([...server.objects(Bucket).keys()], ['a', 'b'])
  })

  test('with a folder stores bodies in files, and deletes files that it no longer needs', async (t) => {
    const folder = await temporaryFolder(t)
    const { put, get, create, part, complete, s3, server } = await start(t, { folder })
    const id = await create('a')
    await part('a', id, 1, part2)
    await complete('a', id, [await part('a', id, 1, part1), await part('a', id, 2, part2)])
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: `${Bucket}/a` }))
    const whole = Buffer.concat([part1, part2])
    assert.deepEqual(server.objects(Bucket).get('a')?.body, whole)
    assert.deepEqual(
      await bytesOf(await get('b', { Range: 'bytes=5242870-5242890' })),
      whole.subarray(5_242_870, 5_242_891),
    )
    assert.equal((await readdir(folder)).length, 2)
    assert.equal(await outcome(put('a', 'x', { ChecksumCRC32: 'AAAAAA==' })), '400 BadDigest')
    await put('a', 'x')
    await put('b', Buffer.alloc(0))
    assert.equal((await readdir(folder)).length, 1)
  })

  test('runs as a process until SIGTERM', async (t) => {
    const program = codeFile('test/servers/s3.ts')
    const child = spawn(process.execPath, [program, '--bucket', Bucket], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    const line = await new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve))
    const server: Address = JSON.parse(line)
    const command = new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' })
    assert.equal(await outcome(client(t, server).send(command)), '200')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })
})

type Address = Pick<S3Server, 'endpoint' | 'region' | 'accessKeyId' | 'secretAccessKey'>
type Body = PutObjectCommandInput['Body']

/** A server with one S3 bucket, and shortcuts for the tests. */
async function start(t: TestContext, options: S3ServerOptions = {}) {
  const server = await startS3Server({ buckets: [Bucket], ...options })
  t.after(() => server.close())
  const s3 = client(t, server)
  return {
    server,
    s3,
    put: (Key: string, body: Body, more: Partial<PutObjectCommandInput> = {}) =>
      s3.send(new PutObjectCommand({ Bucket, Key, Body: body, ...more })),
    get: (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
      s3.send(new GetObjectCommand({ Bucket, Key, ...more })),
    head: (Key: string) => s3.send(new HeadObjectCommand({ Bucket, Key })),
    create: async (Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}): Promise<string> => {
      const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }))
      return UploadId
    },
    part: async (
      Key: string,
      UploadId: string,
      PartNumber: number,
      body: Body,
      more: Partial<UploadPartCommandInput> = {},
    ): Promise<CompletedPart> => {
      const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: body, ...more })
      const { ETag, ChecksumCRC32 } = await s3.send(command)
      return { PartNumber, ETag, ChecksumCRC32 }
    },
    complete: (
      Key: string,
      UploadId: string,
      Parts: CompletedPart[],
      more: Partial<CompleteMultipartUploadCommandInput> = {},
    ) => s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more })),
  }
}

/** A client that does not retry. */
function client(t: TestContext, server: Address, config: S3ClientConfig = {}): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  const credentials = { accessKeyId, secretAccessKey }
  const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1, ...config })
  t.after(() => s3.destroy())
  return s3
}

/** `200`, or status and name of the error, or `connection broken`. */
async function outcome(sent: Promise<unknown>): Promise<string> {
  try {
    await sent
    return '200'
  } catch (error) {
    const { $metadata, name, code }: Failure = Object(error)
    if (['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code ?? '')) return 'connection broken'
    return `${$metadata?.httpStatusCode} ${name}`
  }
}

/** The common properties of errors of the SDK and of Node.js. */
interface Failure {
  readonly name: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

async function bytesOf({ Body: body }: { Body?: { transformToByteArray(): Promise<Uint8Array> } }): Promise<Buffer> {
  assert.ok(body)
  return Buffer.from(await body.transformToByteArray())
}

function asReadable(body: unknown): Readable {
  assert.ok(body instanceof Readable)
  return body
}

async function readUntilError(stream: Readable): Promise<{ bytes: number; failed: boolean }> {
  let bytes = 0
  stream.on('data', (data: Buffer) => (bytes += data.length))
  const failed = await once(stream, 'end').then(
    () => false,
    () => true,
  )
  return { bytes, failed }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setImmediate()
}

function* slices(bytes: Buffer, size: number): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size)
}

function flip(bytes: Buffer, offset: number): void {
  bytes[offset] = (bytes[offset] ?? 0) ^ 1
}

function base64Crc32(bytes: Buffer): string {
  const digest = Buffer.alloc(4)
  digest.writeUInt32BE(crc32(bytes))
  return digest.toString('base64')
}

function multipartEtag(parts: readonly Buffer[]): string {
  const digests = parts.map((bytes) => createHash('md5').update(bytes).digest())
  return `"${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${parts.length}"`
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

function end(trailer?: string): Buffer {
  return Buffer.from(trailer === undefined ? '0\r\n\r\n' : `0\r\n${trailer}\r\n\r\n`)
}

interface RawOptions {
  /** The value of `x-amz-content-sha256`. */
  readonly payload: string
  /** Length of the decoded body, for one in chunks. */
  readonly decoded?: number
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Puts a hand-made body at the key `raw`. Returns the status and, if there is one, the error's
 * code.
 */
async function sendRaw(
  server: Address,
  body: Buffer | ((signer: ChunkSigner) => Buffer),
  options: RawOptions,
): Promise<string> {
  const signer = new ChunkSigner(server)
  const headers = {
    ...options.headers,
    ...(options.decoded !== undefined && { 'x-amz-decoded-content-length': `${options.decoded}` }),
  }
  const length = typeof body === 'function' ? undefined : body.length
  const request = rawPut(server, 'raw', { payload: options.payload, headers, length, signer })
  const answered = answerOf(request)
  request.end(typeof body === 'function' ? body(signer) : body)
  const response = await answered
  const code = /<Code>(\w+)/.exec(await text(response))?.[1]
  return [response.statusCode, code].filter((it) => it !== undefined).join(' ')
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve).once('error', reject)
  })
}

interface RawPut {
  readonly payload: string
  readonly length?: number | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly signer?: ChunkSigner
}

function rawPut(server: Address, key: string, { payload, length, headers = {}, signer }: RawPut): ClientRequest {
  const { host } = new URL(server.endpoint)
  const { date, scope, sign } = signer ?? new ChunkSigner(server)
  const signed: Record<string, string> = { ...headers, host, 'x-amz-content-sha256': payload, 'x-amz-date': date }
  const names = Object.keys(signed).toSorted()
  const canonical = [
    'PUT',
    `/${Bucket}/${key}`,
    '',
    ...names.map((name) => `${name}:${signed[name]}`),
    '',
    names.join(';'),
    payload,
  ].join('\n')
  const signature = sign('AWS4-HMAC-SHA256', sha256(canonical))
  const credential = `Credential=${server.accessKeyId}/${scope}`
  return httpRequest(`${server.endpoint}/${Bucket}/${key}`, {
    method: 'PUT',
    headers: {
      ...signed,
      ...(length !== undefined && { 'content-length': length }),
      authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    },
  })
}

/** Signs a request by hand, then the chunks of its body: each signature covers the one before. */
class ChunkSigner {
  readonly date = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  readonly scope: string
  readonly #key: Buffer
  #previous = ''

  constructor({ region, secretAccessKey }: Address) {
    this.scope = `${this.date.slice(0, 8)}/${region}/s3/aws4_request`
    this.#key = signingKey(secretAccessKey, this.scope)
  }

  readonly sign = (algorithm: string, ...lines: string[]): string => {
    const toSign = [algorithm, this.date, this.scope, ...lines].join('\n')
    this.#previous = createHmac('sha256', this.#key).update(toSign).digest('hex')
    return this.#previous
  }

  chunk(bytes: Buffer): Buffer {
    const signature = this.#signChunk(bytes)
    return Buffer.concat([
      Buffer.from(`${bytes.length.toString(16)};chunk-signature=${signature}\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ])
  }

  end(trailer: string): Buffer {
    const last = this.#signChunk(Buffer.alloc(0))
    const hash = sha256(`${trailer}\n`)
    const signature = this.sign('AWS4-HMAC-SHA256-TRAILER', this.#previous, hash)
    return Buffer.from(`0;chunk-signature=${last}\r\n${trailer}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`)
  }

  #signChunk(bytes: Buffer): string {
    return this.sign('AWS4-HMAC-SHA256-PAYLOAD', this.#previous, sha256(''), sha256(bytes))
  }
}
