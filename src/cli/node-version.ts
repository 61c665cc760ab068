/**
 * Advice for users of an old Node.js version, as one line. Undefined if the version is recommended.
 * @param version as in `process.version`, for example `v20.19.0`
 */
export function nodeVersionNotice(version: string): string | undefined {
  if (Number.parseInt(version.slice(1), 10) >= 22) return undefined
  return `note: this is Node.js ${version.slice(1)}; 22 or 24 is recommended, and 20.19 is the oldest supported version. From January 2027 on, S3 needs Node.js 22, because the AWS SDK requires it.`
}
