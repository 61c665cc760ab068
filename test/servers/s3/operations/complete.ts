import { createHash } from 'node:crypto'
import { findBucket, receiveText, xmlAnswer } from '../call.ts'
import type { Answer, Call } from '../call.ts'
import { checksumAlgorithms, checksumElement, checksumHeader, compositeChecksum } from '../checksums.ts'
import type { Checksum } from '../checksums.ts'
import { checkWriteConditions } from './conditions.ts'
import { retain } from '../content.ts'
import { S3Error } from '../protocol/errors.ts'
import { closeUpload, findUpload, maxParts, uploadId } from './multipart.ts'
import { checksumElements, digestContent, encryptionHeaders } from './objects.ts'
import type { Bucket, ObjectEntry, Part, Upload } from '../store.ts'
import { childText, parseXml } from '../protocol/xml.ts'
import type { XmlElement } from '../protocol/xml.ts'

/** Of every part but the last. */
const minPartBytes = 5 * 1024 * 1024

export async function completeMultipartUpload(call: Call): Promise<Answer> {
  const request = parseXml(await receiveText(call))
  const bucket = findBucket(call)
  const id = uploadId(call)
  if (bucket.completed.has(id)) return completedAgain(call, bucket)
  const upload = findUpload(call)
  const parts = chooseParts(request, upload)
  checkSizes(call, parts)
  const checksum = await objectChecksum(call, upload, parts)
  // Another Complete of the same upload may have finished while a checksum was computed.
  if (bucket.completed.has(id)) return completedAgain(call, bucket)
  findUpload(call)
  if (call.settings.answer304 && isConditionFalse(call, bucket.get(upload.key))) return { status: 304 }
  checkWriteConditions(call, bucket.get(upload.key))

  const content = parts.flatMap((part) => part.content)
  retain(content)
  closeUpload(bucket, upload)
  const object = bucket.put(upload.key, { ...upload, content, etag: multipartEtag(parts), checksum })
  bucket.completed.set(id, object)
  return completeAnswer(call, object)
}

function isConditionFalse(call: Call, existing: ObjectEntry | undefined): boolean {
  try {
    checkWriteConditions(call, existing)
    return false
  } catch (error) {
    return error instanceof S3Error && error.code === 'PreconditionFailed'
  }
}

/** The parts that a Complete lists, checked against the uploaded parts. */
function chooseParts(request: XmlElement, upload: Upload): Part[] {
  const named = request.children.filter(({ name }) => name === 'Part')
  if (request.name !== 'CompleteMultipartUpload' || named.length === 0 || named.length > maxParts) {
    throw new S3Error('MalformedXML', 'The XML you provided was not well-formed or did not validate against our schema')
  }
  let previous = 0
  return named.map((item) => {
    const number = Number(childText(item, 'PartNumber'))
    if (!(number > previous)) throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order.')
    previous = number
    const part = upload.parts.get(number)
    if (!part || !sameEtag(part.etag, childText(item, 'ETag'))) throw invalidPart(number)
    checkNamedChecksum(item, part, upload)
    return part
  })
}

function sameEtag(etag: string, named: string | undefined): boolean {
  return named !== undefined && etag === `"${named.replaceAll('"', '')}"`
}

function invalidPart(number: number): S3Error {
  return new S3Error(
    'InvalidPart',
    `Part ${number} could not be found, or its ETag or checksum does not match that of the part uploaded`,
  )
}

function checkNamedChecksum(item: XmlElement, part: Part, upload: Upload): void {
  for (const algorithm of checksumAlgorithms) {
    const named = childText(item, checksumElement(algorithm))
    if (named !== undefined && (part.checksum?.algorithm !== algorithm || part.checksum.value !== named)) {
      throw invalidPart(part.number)
    }
    if (named === undefined && upload.algorithm === algorithm && upload.checksumType === 'COMPOSITE') {
      throw new S3Error(
        'InvalidRequest',
        `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${part.number} in the request.`,
      )
    }
  }
}

function checkSizes({ headers }: Call, parts: readonly Part[]): void {
  if (parts.slice(0, -1).some((part) => part.size < minPartBytes)) {
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size')
  }
  const declared = headers['x-amz-mp-object-size']
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  if (declared !== undefined && Number(declared) !== size) {
    throw new S3Error(
      'InvalidRequest',
      `The provided x-amz-mp-object-size does not match the ${size} bytes of the parts`,
    )
  }
}

async function objectChecksum(
  { headers }: Call,
  { algorithm, checksumType }: Upload,
  parts: readonly Part[],
): Promise<Checksum | undefined> {
  const namedType = headers['x-amz-checksum-type']
  if (namedType !== undefined && namedType !== checksumType) {
    throw new S3Error('InvalidRequest', `The upload was created with checksum type ${checksumType ?? 'null'}`)
  }
  if (!algorithm) return undefined
  const checksum =
    checksumType === 'COMPOSITE'
      ? compositeChecksum(
          algorithm,
          parts.map((part) => part.checksum?.value ?? ''),
        )
      : (
          await digestContent(
            parts.flatMap((part) => part.content),
            algorithm,
          )
        ).checksum
  const named = headers[checksumHeader(algorithm)]
  if (named !== undefined && named !== checksum?.value) {
    throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
  }
  return checksum
}

function multipartEtag(parts: readonly Part[]): string {
  const md5 = createHash('md5')
  for (const part of parts) md5.update(Buffer.from(part.etag.slice(1, -1), 'hex'))
  return `"${md5.digest('hex')}-${parts.length}"`
}

function completedAgain(call: Call, bucket: Bucket): Answer {
  const { repeatedComplete } = call.settings
  if (repeatedComplete !== undefined) throw new S3Error(repeatedComplete, 'The upload was completed before')
  const object = bucket.completed.get(uploadId(call))
  if (object?.key !== call.target.key) throw new S3Error('NoSuchUpload', 'The specified upload does not exist.')
  checkWriteConditions(call, bucket.get(object.key))
  return completeAnswer(call, object)
}

function completeAnswer({ target, headers }: Call, object: ObjectEntry): Answer {
  return xmlAnswer(
    'CompleteMultipartUploadResult',
    {
      Location: `http://${headers.host}${target.path}`,
      Bucket: target.bucket,
      Key: object.key,
      ETag: object.etag,
      ...checksumElements(object.checksum),
    },
    encryptionHeaders(object),
  )
}
