//! Starts the console: signs in, draws the frame and the page of the address.

import { render } from './vendor/preact.js';
import { useEffect, useState } from './vendor/hooks.js';
import * as api from './api.js';
import { moment } from './format.js';
import { href, match, useRoute } from './router.js';
import { configuration, sessionOf, signInReturned, signOut, tokenOfLink } from './session.js';
import { html, Page, Said, Empty } from './ui.js';
import { SignIn } from './pages/signin.js';
import { Today } from './pages/today.js';
import { Deployments } from './pages/deployments.js';
import { Deployment } from './pages/deployment.js';
import { Invoices } from './pages/invoices.js';
import { Invoice } from './pages/invoice.js';
import { Catalog } from './pages/catalog.js';
import { Schedule } from './pages/schedule.js';
import { Clock } from './pages/clock.js';

/** @typedef {import('./session.js').Session} Session */
/** @typedef {{ session: Session, query: Record<string, string>, params: Record<string, string> }} PageProps */

/** Pattern, page, and the entry of the navigation that it belongs to. @type {Array<[string, (props: any) => unknown, string]>} */
const PAGES = [
  ['', Today, ''],
  ['deployments', Deployments, 'deployments'],
  ['deployments/:id', Deployment, 'deployments'],
  ['deployments/:id/invoices/:number', Invoice, 'invoices'],
  ['invoices', Invoices, 'invoices'],
  ['catalog', Catalog, 'catalog'],
  ['schedule', Schedule, 'schedule'],
  ['clock', Clock, 'clock'],
];

/** @type {Array<[string, string]>} */
const NAVIGATION = [['', 'Today'], ['deployments', 'Deployments'], ['invoices', 'Invoices'], ['schedule', 'Schedule'], ['catalog', 'Catalog']];

/** @param {{ config: import('./session.js').Config, first: Session | null, error: string }} props */
function Console({ config, first, error }) {
  const [session, setSession] = useState(first);
  const [notice, setNotice] = useState(error);
  // Before any page asks anything.
  if (session) api.authenticate(session.token, () => {
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
  const testClock = useTestClock(config, session);
  const found = PAGES.map(([pattern, page, nav]) => ({ page, nav, params: match(pattern, path) })).find(({ params }) => params !== null);
  const navigation = testClock ? [...NAVIGATION, /** @type {[string, string]} */ (['clock', 'Clock'])] : NAVIGATION;
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.querySelector('h1')?.focus(); }}>Skip to the content</a>
    <div class="frame">
      <header class="side">
        <a class="brand" href=${href('')}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 14 V8 a6 6 0 0 1 12 0 V14 H10.5 V8 a2.5 2.5 0 0 0 -5 0 V14 z" /></svg>Arcadia Cloud</a>
        <nav aria-label="Pages"><ul>${navigation.map(([to, name]) => html`<li><a href=${href(to)} aria-current=${found?.nav === to ? 'page' : undefined}>${name}</a></li>`)}</ul></nav>
        <div class="who">
          ${testClock && html`<p class="at">Test clock<br /><time datetime=${api.now().toISOString()}>${moment(api.now())}</time></p>`}
          <p><b>${session.tenant ?? session.subject}</b><br /><span class="muted">${session.role.replaceAll('_', ' ') || 'no role'}</span></p>
          <button type="button" class="small" onClick=${() => signOut(config)}>Sign out</button>
        </div>
      </header>
      <main id="main">
        ${found ? html`<${Fresh} key=${path} page=${found.page} session=${session} query=${query} params=${found.params} />` : html`<${Page} title="Not found"><${Empty}>There is no such page. <a href=${href('')}>Go to Today</a>.<//><//>`}
        <p class="foot muted">All times are UTC.</p>
      </main>
    </div>
    <${Said} />`;
}

/** A page with a log of its own. @param {PageProps & { page: unknown }} props */
function Fresh({ page, ...rest }) {
  useState(() => api.forget());
  return html`<${page} ...${rest} />`;
}

/**
 * Whether the local program runs on a test clock; asked once, and never of a deployed API.
 * @param {import('./session.js').Config} config
 * @param {Session} session
 */
function useTestClock(config, session) {
  const [is, set] = useState(false);
  useEffect(() => {
    if (config.issuer === null && session.admin) api.get('/local/clock').then(() => set(true), () => set(false));
  }, [session]);
  // The time that is shown follows every answer.
  const [, turn] = useState(0);
  useEffect(() => api.watchLog(() => turn((count) => count + 1)), []);
  return is;
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById('app'));
  const linked = tokenOfLink();
  try {
    const config = await configuration();
    const returned = await signInReturned(config).then((token) => ({ token, error: '' }), (/** @type {Error} */ error) => ({ token: null, error: error.message }));
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
