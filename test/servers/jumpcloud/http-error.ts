/** An error response with the body `{"message": …}`. */
export class HttpError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export function badRequest(message: string): HttpError {
  return new HttpError(400, message)
}
