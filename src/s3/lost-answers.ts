import type { S3Client } from '@aws-sdk/client-s3'
import { s3Facts } from './errors.ts'

/**
 * The SDK sends a request again when its answer is lost, or when the store failed, perhaps after it
 * had done what was asked. The answer to the repeat is then an answer to another question: of a
 * finished upload, for example, it says that the upload does not exist. This remembers which results
 * are such answers.
 */
export function noteLostAnswers(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (request) => {
      try {
        const result = await next(request)
        if (lostIn.has(context)) afterLost.add(result.output)
        return result
      } catch (error) {
        const { status = 500 } = s3Facts(error)
        if (lostIn.has(context) && error instanceof Error) afterLost.add(error)
        if (status >= 500 || status < 300) lostIn.add(context)
        throw error
      }
    },
    // Within the retries of the SDK.
    { step: 'finalizeRequest', priority: 'low', name: 'noteLostAnswers' },
  )
}

/** True for an output or error of a request that was sent before, with its answer lost. */
export function isAfterLostAnswer(result: unknown): boolean {
  return typeof result === 'object' && result !== null && afterLost.has(result)
}

/** Contexts of the SDK, one for each call. */
const lostIn = new WeakSet<object>()
const afterLost = new WeakSet<object>()
