//! The client of the API: one function that sends a request, the clock that the API goes by, and the log from which each
//! page shows its requests. The access token lives here, in memory, and nowhere else.

/** @typedef {import('./shapes.d.ts').InvoiceRow} Owed */
/** @typedef {{ deployment_id: string, tenant_id: string, slug: string, action: string, at: string, amount_cents: number | null, currency: string | null, estimate?: boolean }} Scheduled */
/** @typedef {{ method: string, url: string, headers: Record<string, string>, body: string | null, status: number | null, ms: number }} Sent */
/** @typedef {{ query?: Record<string, string | number | null | undefined>, body?: unknown, version?: number | null, key?: string, signal?: AbortSignal }} Options */

const BASE = '/api/v1';
const TIMEOUT_MS = 30_000;
const LOG_LENGTH = 40;
const RECONNECT_MS = 2_000;

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
   */
  constructor(status, code, detail, body = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.body = body;
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
    const answer = response.ok && accept ? await response.text() : await response.json().catch(() => null);
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
 * A list as comma-separated values, page by page: at most about `most` rows.
 * @param {string} path
 * @param {Options['query']} query
 * @param {number} most
 * @returns {Promise<string>}
 */
export async function csv(path, query, most) {
  let text = '';
  /** @type {string | null} */
  let cursor = null;
  let rows = 0;
  do {
    const page = await exchange('GET', path, { query: { ...query, limit: 100, cursor }, accept: 'text/csv' });
    const lines = /** @type {string} */ (page.answer).split('\r\n');
    // Each page begins with the names of the columns.
    text += (text === '' ? lines : lines.slice(1)).join('\r\n');
    rows += lines.length - 2;
    const next = /<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(page.response.headers.get('Link') ?? '');
    cursor = next?.[1] ?? null;
  } while (cursor && rows < most);
  return text;
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
  if (answer !== null && typeof answer === 'object' && typeof answer.code === 'string') {
    return new Problem(response.status, answer.code, answer.detail ?? answer.title, answer);
  }
  const detail =
    response.status === 404
      ? 'This API does not have that route yet.'
      : `Unexpected response (${response.status}): this does not look like an Arcadia API.`;
  return new Problem(response.status, 'unexpected_response', detail);
}
