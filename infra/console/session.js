//! Who is signed in: a token out of the local program's link, one pasted, or one by an OpenID Connect issuer (code flow with
//! PKCE). The token is kept in memory alone. What its claims say is for display; the API decides what is allowed.

/** @typedef {{ issuer: string | null, client_id?: string | null, scope?: string | null, claims?: { role?: string, tenant?: string }, local?: { test_clock: boolean } }} Config */
/** @typedef {{ token: string, subject: string, role: string, tenant: string | null, admin: boolean, local: boolean, testClock: boolean }} Session `local`: on the local program, which may run on a test clock */
/** @typedef {{ state: string, nonce: string, verifier: string, hash: string }} Pending */
/** @typedef {{ authorization_endpoint: string, token_endpoint: string, end_session_endpoint?: string, issuer: string }} Discovery */

// Holds state, nonce and verifier while the browser is at the issuer, and the page to return to. No token.
const PENDING = 'arcadia.sign_in';

/** @returns {Promise<Config>} */
export async function configuration() {
  const response = await fetch('config.json', { cache: 'no-store', credentials: 'omit' });
  if (!response.ok) throw new Error(`config.json could not be read (${response.status}).`);
  return response.json();
}

/** The link of the local program's banner carries a token in its fragment: removes it from the address. */
export function tokenOfLink() {
  const match = /^#token=([^&]+)$/.exec(location.hash);
  if (!match) return null;
  history.replaceState(null, '', location.pathname);
  return match[1] ?? '';
}

/**
 * @param {string} token
 * @param {Config} config
 * @returns {Session | null} null if it is not a JWT
 */
export function sessionOf(token, config) {
  const claims = claimsOf(token.trim());
  if (!claims) return null;
  const role = String(claims[config.claims?.role ?? 'role'] ?? '');
  const tenant = claims[config.claims?.tenant ?? 'tenant_id'];
  return {
    token: token.trim(),
    subject: String(claims['sub'] ?? ''),
    role,
    tenant: tenant ? String(tenant) : null,
    admin: role === 'platform_admin',
    local: Boolean(config.local),
    testClock: Boolean(config.local?.test_clock),
  };
}

/**
 * @param {string} token
 * @returns {Record<string, unknown> | null}
 */
function claimsOf(token) {
  try {
    const part = token.split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === 'object' ? claims : null;
  } catch {
    return null;
  }
}

/** @param {string} issuer @returns {Promise<Discovery>} */
async function discover(issuer) {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    credentials: 'omit',
  });
  if (!response.ok) throw new Error(`The issuer's configuration could not be read (${response.status}).`);
  /** @type {Discovery} */
  const found = await response.json();
  if (found.issuer !== issuer) throw new Error(`The issuer calls itself ${found.issuer}, not ${issuer}.`);
  return found;
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/**
 * Leaves for the issuer's sign-in page.
 * @param {Config} config
 */
export async function signIn(config) {
  const { authorization_endpoint } = await discover(config.issuer ?? '');
  /** @type {Pending} */
  const pending = { state: random(), nonce: random(), verifier: random(), hash: location.hash };
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(pending.verifier));
  const url = new URL(authorization_endpoint);
  for (const [name, value] of Object.entries({
    response_type: 'code',
    client_id: config.client_id ?? '',
    redirect_uri: location.origin + location.pathname,
    scope: config.scope ?? 'openid',
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
  }))
    url.searchParams.set(name, value);
  location.assign(url);
}

/**
 * Ends a sign-in that the issuer has sent back here. Null if the page was not opened by such a return.
 * @param {Config} config
 * @returns {Promise<string | null>} the access token
 */
export async function signInReturned(config) {
  const query = new URLSearchParams(location.search);
  if (!config.issuer || !(query.has('code') || query.has('error'))) return null;
  /** @type {Pending | null} */
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null');
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, '', location.pathname + (pending?.hash ?? ''));
  if (!pending || query.get('state') !== pending.state)
    throw new Error('This sign-in was not started here, or was started twice. Sign in again.');
  if (query.has('error'))
    throw new Error(`The issuer refused the sign-in: ${query.get('error_description') ?? query.get('error')}.`);
  const { token_endpoint } = await discover(config.issuer);
  const response = await fetch(token_endpoint, {
    method: 'POST',
    credentials: 'omit',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: config.client_id ?? '',
      redirect_uri: location.origin + location.pathname,
      code: query.get('code') ?? '',
      code_verifier: pending.verifier,
    }),
  });
  if (!response.ok) throw new Error(`The issuer returned no token (${response.status}). Sign in again.`);
  const tokens = await response.json();
  if (tokens.id_token && claimsOf(tokens.id_token)?.['nonce'] !== pending.nonce)
    throw new Error('The token belongs to another sign-in. Sign in again.');
  return tokens.access_token;
}

/**
 * Ends the issuer's session, too, if it has an address for that. Leaving the page forgets the token.
 * @param {Config} config
 */
export async function signOut(config) {
  const here = location.origin + location.pathname;
  const end = config.issuer ? (await discover(config.issuer).catch(() => null))?.end_session_endpoint : null;
  if (!end) return location.replace(here);
  const url = new URL(end);
  url.searchParams.set('client_id', config.client_id ?? '');
  url.searchParams.set('post_logout_redirect_uri', here);
  // Cognito's name for the same.
  url.searchParams.set('logout_uri', here);
  location.assign(url);
}
