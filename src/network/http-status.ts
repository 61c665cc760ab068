/** Why a request that was answered with this status may succeed when it is repeated unchanged. */
export const transientStatuses: ReadonlyMap<number, string> = new Map([
  [408, 'Request Timeout: the server waited too long for the request (RFC 9110).'],
  [420, 'Enhance Your Calm: a rate limit of older APIs.'],
  [425, 'Too Early: the server does not process early data (RFC 8470).'],
  [429, 'Too Many Requests: a rate limit (RFC 6585).'],
  [499, 'nginx: a proxy in front of the API gave up its own request.'],
  [500, 'Internal Server Error. Any other 5xx that is not listed here is treated like it (RFC 9110).'],
  [502, 'Bad Gateway: the API did not send a usable response to its gateway.'],
  [503, 'Service Unavailable: overload or maintenance.'],
  [504, 'Gateway Timeout: the API did not respond to its gateway in time.'],
  [507, 'Insufficient Storage: the server is out of space for now (RFC 4918).'],
  [509, 'Bandwidth Limit Exceeded: a quota of hosting providers that is refilled.'],
  [520, 'Cloudflare: the API sent an empty or unknown response.'],
  [521, 'Cloudflare: the API refused the connection.'],
  [522, 'Cloudflare: the connection to the API timed out.'],
  [523, 'Cloudflare: the API is unreachable.'],
  [524, 'Cloudflare: the API did not respond in time.'],
  [525, 'Cloudflare: the TLS handshake with the API failed.'],
  [526, 'Cloudflare: the certificate of the API is not valid at the moment.'],
  [527, 'Cloudflare: the connection between its data centres and the API failed.'],
  [529, 'Site is overloaded.'],
  [530, 'Cloudflare: the name of the API cannot be resolved, or the site is frozen.'],
  [598, 'A proxy timed out while it read the response.'],
  [599, 'A proxy timed out while it connected.'],
])

/** Statuses of 500 and more that a repetition does not change. */
export const permanentServerStatuses: ReadonlyMap<number, string> = new Map([
  [501, 'Not Implemented: the server does not know the method.'],
  [505, 'HTTP Version Not Supported.'],
  [506, 'Variant Also Negotiates: the server is misconfigured.'],
  [508, 'Loop Detected: the server follows itself.'],
  [510, 'Not Extended: the request lacks an extension.'],
  [511, 'Network Authentication Required: a captive portal waits for a sign-in.'],
])

/** True if the same request may succeed later. An unknown 5xx counts as 500 (RFC 9110, 15). */
export function isTransientStatus(status: number): boolean {
  return transientStatuses.has(status) || (status >= 500 && status <= 599 && !permanentServerStatuses.has(status))
}
