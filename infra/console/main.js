//! Starts the console: signs in, draws the frame and the page of the address.

import { render } from './vendor/preact.js';
import { useEffect, useErrorBoundary, useState } from './vendor/hooks.js';
import * as api from './api.js';
import { moment } from './format.js';
import { href, match, route, useRoute } from './router.js';
import { configuration, sessionOf, signInReturned, signOut, tokenOfLink } from './session.js';
import { Empty, html, Loading, Page, Said, Trouble } from './ui.js';
import { SignIn } from './pages/signin.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {{ session: Session, query: Record<string, string>, params: Record<string, string> }} PageProps */

/** Pattern, page, and the entry of the navigation that it belongs to. @type {Array<[string, () => Promise<unknown>, string]>} */
const PAGES = [
  ['', () => import('./pages/today.js').then(({ Today }) => Today), ''],
  ['deployments', () => import('./pages/deployments.js').then(({ Deployments }) => Deployments), 'deployments'],
  ['deployments/:id', () => import('./pages/deployment.js').then(({ Deployment }) => Deployment), 'deployments'],
  [
    'deployments/:id/invoices/:number',
    () => import('./pages/invoice.js').then(({ Invoice }) => Invoice),
    'deployments',
  ],
  ['invoices', () => import('./pages/invoices.js').then(({ Invoices }) => Invoices), 'invoices'],
  ['tenants', () => import('./pages/tenants.js').then(({ Tenants }) => Tenants), 'tenants'],
  ['tenants/:tenant_id', () => import('./pages/tenant.js').then(({ Tenant }) => Tenant), 'tenants'],
  ['catalog', () => import('./pages/catalog.js').then(({ Catalog }) => Catalog), 'catalog'],
  ['operations', () => import('./pages/operations.js').then(({ Operations }) => Operations), 'operations'],
  [
    'operations/:operation_id',
    () => import('./pages/operation.js').then(({ Operation }) => Operation),
    'operations',
  ],
  ['attention', () => import('./pages/attention.js').then(({ Attention }) => Attention), ''],
  ['schedule', () => import('./pages/schedule.js').then(({ Schedule }) => Schedule), 'schedule'],
  ['clock', () => import('./pages/clock.js').then(({ Clock }) => Clock), 'clock'],
];

/** @param {string} path */
function find(path) {
  for (const [pattern, load, nav] of PAGES) {
    const params = match(pattern, path);
    if (params) return { load, nav, params };
  }
  return null;
}

/**
 * The entries of the navigation: address, key and name.
 * @param {Session} session
 * @param {boolean} testClock
 * @returns {Array<[string, string, string]>}
 */
function navigation(session, testClock) {
  return [
    ['', '', 'Today'],
    ['deployments', 'deployments', 'Deployments'],
    ['invoices', 'invoices', 'Invoices'],
    session.admin ? ['tenants', 'tenants', 'Tenants'] : [`tenants/${session.tenant}`, 'tenants', 'Account'],
    ['schedule', 'schedule', 'Schedule'],
    ['catalog', 'catalog', 'Catalog'],
    ...(session.admin ? [/** @type {[string, string, string]} */ (['operations', 'operations', 'Operations'])] : []),
    ...(testClock ? [/** @type {[string, string, string]} */ (['clock', 'clock', 'Clock'])] : []),
  ];
}

/** @param {{ config: import('./session.js').Config, first: Session | null, error: string }} props */
function Console({ config, first, error }) {
  const [session, setSession] = useState(first);
  const [notice, setNotice] = useState(error);
  // Before any page sends a request.
  if (session)
    api.authenticate(session.token, () => {
      setSession(null);
      setNotice('The API does not take this token: it has expired, or another issuer signed it. Sign in again.');
    });
  /** @param {string} token */
  const enter = (token) => {
    const next = sessionOf(token, config);
    setNotice(next ? '' : 'This is not a token: a token has three parts with a dot between them.');
    setSession(next);
  };
  if (!session) return html`<${SignIn} config=${config} notice=${notice} enter=${enter} />`;
  return html`<${Frame} config=${config} session=${session} />`;
}

/** @param {{ config: import('./session.js').Config, session: Session }} props */
function Frame({ config, session }) {
  const { path, query } = useRoute();
  const testClock = session.testClock && session.admin;
  // Every answer updates the time that is shown.
  const [, tick] = useState(0);
  useEffect(() => api.watchLog(() => tick((count) => count + 1)), []);
  const [turn, setTurn] = useState(0);
  const readAgain = () => setTurn(turn + 1);
  const found = find(path);
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => {
      event.preventDefault();
      document.querySelector('h1')?.focus();
    }}>Skip to the content</a>
    <div class="frame">
      <header class="side">
        <a class="brand" href=${href('')}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 14 V8 a6 6 0 0 1 12 0 V14 H10.5 V8 a2.5 2.5 0 0 0 -5 0 V14 z" /></svg>Arcadia Cloud</a>
        <nav aria-label="Pages"><ul>${navigation(session, testClock).map(([to, nav, name]) => html`<li><a href=${href(to)} aria-current=${found?.nav === nav ? 'page' : undefined}>${name}</a></li>`)}</ul></nav>
        <div class="who">
          ${testClock && html`<p class="at">Test clock<br /><time datetime=${api.now().toISOString()}>${moment(api.now())}</time></p>`}
          <p><b>${session.tenant ?? session.subject}</b><br /><span class="muted">${session.role.replaceAll('_', ' ') || 'no role'}</span></p>
          <button type="button" class="small" onClick=${() => signOut(config)}>Sign out</button>
        </div>
      </header>
      <main id="main">
        ${found ? html`<${Fresh} key=${`${path} ${turn}`} load=${found.load} session=${session} query=${query} params=${found.params} />` : html`<${Page} title="Not found"><${Empty}>There is no such page. <a href=${href('')}>Go to Today</a>.<//><//>`}
        <p class="foot muted">All times are UTC. <button type="button" class="link" onClick=${readAgain}>Reload this page</button></p>
      </main>
    </div>
    <${Said} />`;
}

/** A page, loaded when it is first needed, with a log of its own. @param {PageProps & { load: () => Promise<unknown> }} props */
function Fresh({ load, ...rest }) {
  const [state, set] = useState({ page: /** @type {unknown} */ (null), failure: '' });
  useState(() => api.forget());
  const open = () =>
    void load().then(
      (page) => set({ page, failure: '' }),
      async () => set({ page: null, failure: (await isReplaced()) ? REPLACED : UNREACHABLE }),
    );
  useEffect(open, []);
  const [broken] = useErrorBoundary((error) => console.error(error));
  if (broken) return html`<${Page} title="Error"><${Empty}>This page cannot show the API's answer.<//><//>`;
  if (state.page) return html`<${state.page} ...${rest} />`;
  return state.failure
    ? html`<${Page} title="Error"><${Trouble} error=${new Error(state.failure)} retry=${state.failure === REPLACED ? undefined : open} /><//>`
    : html`<${Loading} />`;
}

const REPLACED = 'A newer version of the console was deployed. Reload it in the browser to go on.';
const UNREACHABLE = 'This page could not be loaded. Check the connection, then try again.';

/** Whether the server no longer has the files of this console: every version has its own addresses. */
async function isReplaced() {
  const answer = await fetch(import.meta.url, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  return answer?.status === 404;
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById('app'));
  const linked = tokenOfLink();
  // Loads the page's module in parallel with the configuration.
  if (linked)
    void find(route().path)
      ?.load()
      .catch(() => {});
  try {
    const config = await configuration();
    const returned = await signInReturned(config).then(
      (token) => ({ token, error: '' }),
      (/** @type {Error} */ error) => ({ token: null, error: error.message }),
    );
    const token = linked ?? returned.token;
    const session = token ? sessionOf(token, config) : null;
    const error = returned.error || (token && !session ? 'The link has no valid token.' : '');
    root.textContent = '';
    render(html`<${Console} config=${config} first=${session} error=${error} />`, root);
  } catch (error) {
    root.textContent = `The console cannot start. ${/** @type {Error} */ (error).message}`;
  }
}

void start();
