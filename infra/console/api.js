//! The client of the API: one function that sends a request, the clock that the API goes by, and the log from which each
//! page shows its requests. The access token lives here, in memory, and nowhere else.

/** @typedef {import('./shapes.d.ts').InvoiceRow} Owed */
/** @typedef {{ deployment_id: string, tenant_id: string, slug: string, action: string, at: string, amount_cents: number | null, currency: string | null, estimate?: boolean }} Scheduled */
/** @typedef {{ method: string, url: string, headers: Record<string, string>, body: string | null, status: number | null, ms: number }} Sent */
/**
 * @typedef {object} Options
 * @property {Record<string, string | number | null | undefined>} [query]
 * @property {unknown} [body]
 * @property {number | null} [version] for If-Match
 * @property {string} [key] for Idempotency-Key
 * @property {AbortSignal} [signal]
 */

const BASE = '/api/v1';
const TIMEOUT_MS = 30_000;
const LOG_LENGTH = 40;
const RECONNECT_MS = 2_000;
/** The largest page of a list. */
const MAX_PAGE = 100;
/** The most attempts for a page of a long list, and the longest wait between two, as in the command line. */
const MAX_ATTEMPTS = 4;
const MAX_WAIT_S = 10;
/** API Gateway's own answers, `{"message": …}`, explained as in shared/api/src/gateway.rs. @type {Record<number, string>} */
const GATEWAY_ANSWERS = {
  400: 'The request is not valid HTTP, such as one with a malformed header.',
  401: 'The token is missing, expired, or of another issuer or audience.',
  403: 'The host or the scope of the token does not allow the call.',
  413: 'The body exceeds 10 MB.',
  429: 'There are too many calls at once; nothing was executed, so send the request again later.',
  500: 'The function failed; the outcome of the request is unknown.',
  503: 'The function did not answer in time; the outcome of the request is unknown.',
};

let token = '';
let skew_ms = 0;
let onUnauthenticated = () => {};
/** Whether the server may have a stream of events. A deployed API has none; the first request finds out. */
let hasEvents = true;

/** The requests since the page was opened, oldest first. @type {Sent[]} */
export let log = [];
/** @type {Set<() => void>} */
const watchers = new Set();

/** A problem (problem+json), or a missing answer: then `status` is 0. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} detail
   * @param {Record<string, unknown>} [body]
   * @param {number} [wait_s] how long to wait before the next attempt
   */
  constructor(status, code, detail, body = {}, wait_s = 1) {
    super(detail);
    this.status = status;
    this.code = code;
    this.body = body;
    this.wait_s = wait_s;
  }

  /** Whether the same request can succeed later, so that sending it again makes sense. */
  get passing() {
    return this.status === 0 || this.status >= 500 || this.status === 429 || this.code === 'idempotency_key_in_use';
  }

  /** Whether the record has changed since the page read it. */
  get conflict() {
    return this.status === 409 || this.status === 412;
  }
}

/**
 * @param {string} bearer
 * @param {() => void} lost called when the API no longer accepts the token
 */
export function authenticate(bearer, lost) {
  token = bearer;
  onUnauthenticated = lost;
}

/** Now, by the API's clock: its `Date` header, so that a wrong clock of the browser and a test clock are both right. */
export function now() {
  return new Date(Date.now() + skew_ms);
}

/** Begins a new page's log. */
export function forget() {
  log = [];
  watchers.forEach((watch) => watch());
}

/** @param {() => void} watch @returns {() => void} */
export function watchLog(watch) {
  watchers.add(watch);
  return () => watchers.delete(watch);
}

/** @param {Sent} sent */
function remember(sent) {
  log = [...log, sent].slice(-LOG_LENGTH);
  watchers.forEach((watch) => watch());
}

/**
 * A request as a command for a shell, with the token as `$TOKEN`.
 * @param {Sent} sent
 */
export function curl(sent) {
  const quote = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [
    'curl',
    ...(sent.method === 'GET' ? [] : ['-X', sent.method]),
    quote(location.origin + sent.url),
    '-H "Authorization: Bearer $TOKEN"',
  ];
  for (const [name, value] of Object.entries(sent.headers)) parts.push('-H', quote(`${name}: ${value}`));
  if (sent.body !== null) parts.push('-d', quote(sent.body));
  return parts.join(' ');
}

/**
 * Sends a request and returns its answer. Throws a [`Problem`].
 * @template T
 * @param {string} method
 * @param {string} path under /api/v1, or under the origin if it begins with /local
 * @param {Options} [options]
 * @returns {Promise<T>}
 */
export async function send(method, path, options) {
  const { response, answer } = await exchange(method, path, options);
  if (answer === null) throw problem(response, answer);
  return answer;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options & { accept?: string }} [options]
 * @returns {Promise<{ response: Response, answer: any }>}
 */
async function exchange(method, path, { query = {}, body, version, key, signal, accept } = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  const url = (path.startsWith('/local') ? path : BASE + path) + (search.size ? '?' + search : '');
  /** @type {Record<string, string>} */
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (version !== undefined && version !== null) headers['If-Match'] = `"${version}"`;
  if (key) headers['Idempotency-Key'] = key;
  if (accept) headers['Accept'] = accept;
  /** @type {Sent} */
  const sent = { method, url, headers, body: body === undefined ? null : JSON.stringify(body), status: null, ms: 0 };
  const began = performance.now();
  try {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      method,
      headers: { ...headers, Authorization: `Bearer ${token}` },
      body: sent.body,
      cache: 'no-store',
      credentials: 'omit',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    sent.status = response.status;
    const date = Date.parse(response.headers.get('Date') ?? '');
    if (!Number.isNaN(date)) skew_ms = Math.abs(date - Date.now()) < 2_000 ? 0 : date - Date.now();
    const answer = response.ok && accept ? await response.text() : await response.json().catch(notJson);
    if (response.ok) return { response, answer };
    throw problem(response, answer);
  } catch (error) {
    if (error instanceof Problem) {
      if (error.status === 401) onUnauthenticated();
      throw error;
    }
    throw new Problem(0, 'no_answer', 'The API did not answer. Check the connection, then try again.');
  } finally {
    sent.ms = Math.round(performance.now() - began);
    if (!signal?.aborted) remember(sent);
  }
}

/** Null for a body that is not JSON. An answer that breaks off is none at all. @param {unknown} error */
function notJson(error) {
  if (error instanceof SyntaxError) return null;
  throw error;
}

/**
 * @template T
 * @param {string} path
 * @param {Options['query']} [query]
 * @returns {Promise<T>}
 */
export function get(path, query) {
  return send('GET', path, { query });
}

/**
 * Reads a record with its version, for answers that name it in their `ETag` alone.
 * @template T
 * @param {string} path
 * @returns {Promise<{ answer: T, version: number }>}
 */
export async function getVersioned(path) {
  const { response, answer } = await exchange('GET', path);
  const version = /^"(\d+)"$/.exec(response.headers.get('ETag') ?? '')?.[1];
  if (answer === null || version === undefined) throw problem(response, null);
  return { answer, version: Number(version) };
}

/**
 * Reads a page of a long list, again if the problem passes: one busy moment must not lose all other pages.
 * @param {string} path
 * @param {Options & { accept?: string }} options
 */
async function page(path, options) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await exchange('GET', path, options);
    } catch (error) {
      if (!(error instanceof Problem && error.passing) || attempt === MAX_ATTEMPTS) throw error;
      const wait_ms = Math.min(error.wait_s, MAX_WAIT_S) * 1000;
      await new Promise((then) => setTimeout(then, wait_ms));
    }
  }
}

/**
 * Reads a list to its end.
 * @template T
 * @param {string} path
 * @param {string} member the list's name in the answer
 * @returns {Promise<T[]>}
 */
export async function all(path, member) {
  /** @type {T[]} */
  const items = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    const { answer, response } = await page(path, { query: { limit: MAX_PAGE, cursor } });
    if (answer === null) throw problem(response, answer);
    items.push(...answer[member]);
    cursor = answer.next_cursor;
  } while (cursor);
  return items;
}

/**
 * Reads a list as comma-separated values, page by page, up to about `most` rows. `more`: the list goes on.
 * @param {string} path
 * @param {Options['query']} query
 * @param {number} most
 * @returns {Promise<{ text: string, rows: number, more: boolean }>}
 */
export async function csv(path, query, most) {
  let text = '';
  /** @type {string | null} */
  let cursor = null;
  let rows = 0;
  do {
    const { answer, response } = await page(path, { query: { ...query, limit: MAX_PAGE, cursor }, accept: 'text/csv' });
    const lines = /** @type {string} */ (answer).split('\r\n');
    // Each page begins with the names of the columns.
    text += (text === '' ? lines : lines.slice(1)).join('\r\n');
    rows += lines.length - 2;
    const next = /<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(response.headers.get('Link') ?? '');
    cursor = next?.[1] ?? null;
  } while (cursor && rows < most);
  return { text, rows, more: cursor !== null };
}

/**
 * Follows the local program's server-sent events until it is aborted, and goes on where it was when a connection ends.
 * `EventSource` cannot send a token.
 * @param {(event: any) => void} hear gets each CloudEvent, and `{}` where some are missing
 * @param {AbortSignal} signal
 */
export async function follow(hear, signal) {
  let last = '';
  while (hasEvents && !signal.aborted) {
    try {
      const response = await fetch('/events', {
        headers: { Authorization: `Bearer ${token}`, ...(last && { 'Last-Event-ID': last }) },
        cache: 'no-store',
        credentials: 'omit',
        signal,
      });
      hasEvents = response.status !== 404;
      if (!response.ok && response.status < 500) return;
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (let part = await reader?.read(); response.ok && part?.value; part = await reader?.read()) {
        const events = (text + part.value).split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          last = /^id: (.*)$/m.exec(event)?.[1] ?? last;
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data) hear(JSON.parse(data));
        }
      }
    } catch {
      // The connection ended, or never began.
    }
    await new Promise((then) => setTimeout(then, RECONNECT_MS));
  }
}

/**
 * @param {Response} response
 * @param {any} answer
 */
function problem(response, answer) {
  const { status } = response;
  const wait_s = Number(response.headers.get('Retry-After')) || 1;
  if (answer !== null && typeof answer === 'object' && typeof answer.code === 'string') {
    return new Problem(status, answer.code, answer.detail ?? answer.title, answer, wait_s);
  }
  const explained = typeof answer?.message === 'string' && GATEWAY_ANSWERS[status];
  if (explained) return new Problem(status, `http_${status}`, explained, {}, wait_s);
  const detail =
    status === 404
      ? 'This API does not have that route yet.'
      : `Unexpected response (${status}): this does not look like an Arcadia API.`;
  return new Problem(status, 'unexpected_response', detail, {}, wait_s);
}
