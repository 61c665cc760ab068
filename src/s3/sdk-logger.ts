import { safeLine } from '../observe/output.ts'

/**
 * The AWS SDK would write its warnings to the console. They become warnings of the process, which the log
 * of a run takes. What else it logs has requests and responses in it, and goes nowhere.
 */
export const sdkLogger = {
  trace: (): void => undefined,
  debug: (): void => undefined,
  info: (): void => undefined,
  warn: (...content: readonly unknown[]): void =>
    process.emitWarning(safeLine(content.map(String).join(' ')), { type: 'AwsSdkWarning', code: 'AWS_SDK' }),
  // Each is thrown too.
  error: (): void => undefined,
}
