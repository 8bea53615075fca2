//! What needs a person, and what happens by itself.

import * as api from '../api.js';
import { ATTENTION, action, counted, money, moneys, rfc3339, sentence, sums, words } from '../format.js';
import { LifecycleMap, loadLifecycle } from '../lifecycle.js';
import { href } from '../router.js';
import { Empty, html, Money, Page, Show, useLoad, When } from '../ui.js';

/** @typedef {import('../api.js').Owed} Owed */
/** @typedef {{ invoices: Owed[], more: boolean }} WhatIsOverdue */
/** @typedef {import('../api.js').Scheduled} Scheduled */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PAGE = 100;
const SHOWN = 10;
/** Where deployments are that owe what is overdue. */
const STATES = ['past_due', 'suspended', 'paused'];
/** Ages of what is overdue, in days, as GET /tenants/{id}/account has them. @type {Array<[string, number]>} */
const AGES = [
  ['to 30 days', 30],
  ['31 to 60', 60],
  ['61 to 90', 90],
  ['older', Infinity],
];

/** @param {import('../main.js').PageProps} props */
export function Today({ session }) {
  const overdue = useLoad('overdue', loadOverdue);
  // The answer before this one set the clock; the first request of all goes by the browser's.
  const schedule = useLoad(
    'schedule',
    () =>
      /** @type {Promise<{ schedule: Scheduled[], next_cursor: string | null }>} */ (
        loadLifecycle().then(() =>
          api.get('/schedule', {
            before: rfc3339(new Date(Math.ceil(api.now().getTime() / HOUR_MS) * HOUR_MS + 7 * DAY_MS)),
            limit: PAGE,
          }),
        )
      ),
  );
  const lifecycle = useLoad('lifecycle', loadLifecycle);
  const figures = useLoad('figures', () => loadFigures(session));
  const waiting = figures.data?.summary && waitingIn(figures.data.summary);
  return html`
    <${Page} title="Today">
      <section aria-labelledby="needs">
        <h2 id="needs">${session.admin ? 'Needs a person' : 'Overdue'}</h2>
        ${figures.data?.summary && html`<${Clock} health=${figures.data.summary.clock} />`}
        <${Show} of=${overdue}>${(/** @type {WhatIsOverdue} */ { invoices, more }) =>
          invoices.length === 0 && waiting?.length === 0
            ? html`<${Empty}>Nothing needs a person.<//>`
            : html`<${Overdue} invoices=${invoices} more=${more} admin=${session.admin} />`}<//>
        ${waiting && waiting.length > 0 && html`<${Waiting} kinds=${waiting} />`}
      </section>
      <section aria-labelledby="itself">
        <h2 id="itself">Happens by itself</h2>
        <${Show} of=${schedule}>${(/** @type {{ schedule: Scheduled[], next_cursor: string | null }} */ answer) => html`<${Ahead} schedule=${answer.schedule} more=${answer.next_cursor !== null} />`}<//>
      </section>
      <section aria-labelledby="states">
        <h2 id="states">Deployments by state</h2>
        <p class="lead muted">Choose a state to see its deployments. Dashed: moves that only the clock or the platform makes.</p>
        <${Show} of=${lifecycle}>${(/** @type {import('../shapes.d.ts').Lifecycle} */ map) => html`<div class="card"><${LifecycleMap} lifecycle=${map} links=${true} counts=${figures.data?.counts} /></div>`}<//>
      </section>
      ${
        session.admin &&
        html`
      <section aria-labelledby="revenue">
        <h2 id="revenue">Recurring revenue</h2>
        <${Show} of=${figures}>${(/** @type {Figures} */ { summary }) => summary && html`<${Revenue} summary=${summary} />`}<//>
      </section>`
      }
    <//>`;
}

/** @typedef {import('../shapes.d.ts').Summary} Summary */
/** @typedef {{ counts: Record<string, number>, summary: Summary | null }} Figures */

/**
 * Of everyone, the summary; of a tenant, how many deployments are in each state.
 * @param {import('../session.js').Session} session
 * @returns {Promise<Figures>}
 */
async function loadFigures(session) {
  if (session.admin) {
    const { summary } = /** @type {{ summary: Summary }} */ (await api.get('/summary'));
    return { counts: summary.deployments_by_state, summary };
  }
  const { account } = /** @type {{ account: import('../shapes.d.ts').Account }} */ (
    await api.get(`/tenants/${session.tenant}/account`)
  );
  return { counts: account.deployments, summary: null };
}

/** How far behind the clock may be before a person should look, in seconds. */
const LAG_S = 900;

/** Whether the clock is behind with its work. @param {{ health: Summary['clock'] }} props */
function Clock({ health }) {
  return (
    health.lag_seconds > LAG_S &&
    html`<div class="box bad" role="alert"><p>The clock is ${counted(Math.floor(health.lag_seconds / 60), 'minute')} behind.</p></div>`
  );
}

/** @typedef {{ kind: keyof typeof ATTENTION, count: number }} Kind */

/** What needs a person besides what is overdue. @param {Summary} summary @returns {Kind[]} */
function waitingIn({ attention, clock }) {
  const { held, cancelled_with_resources, not_published } = attention;
  const counts = { held, cancelled_with_resources, postponed: clock.postponed, not_published };
  return Object.entries(counts).flatMap(([kind, count]) => (count > 0 ? [/** @type {Kind} */ ({ kind, count })] : []));
}

/** @param {{ kinds: Kind[] }} props */
function Waiting({ kinds }) {
  return html`
    <table class="rows">
      <thead><tr><th scope="col">Reason</th><th scope="col" class="num">Count</th></tr></thead>
      <tbody>${kinds.map(
        ({ kind, count }) => html`
        <tr><th scope="row"><a href=${href('attention', { kind })}>${sentence(ATTENTION[kind])}</a></th>
          <td class="num">${count.toLocaleString('en')}</td></tr>`,
      )}
      </tbody>
    </table>`;
}

/** @type {Array<['new_cents' | 'expansion_cents' | 'reactivated_cents' | 'contraction_cents' | 'churned_cents', string, number]>} */
const MOVEMENTS = [
  ['new_cents', 'new', 1],
  ['expansion_cents', 'expansion', 1],
  ['reactivated_cents', 'reactivated', 1],
  ['contraction_cents', 'contraction', -1],
  ['churned_cents', 'churned', -1],
];

/** What is paid again and again, by currency, and how that changed this month. @param {{ summary: Summary }} props */
function Revenue({ summary }) {
  if (summary.recurring.length === 0) return html`<${Empty}>Nobody pays for a subscription outside a trial.<//>`;
  return html`
    <p class="lead muted">Of active and past due deployments outside their trials, as of <${When} at=${summary.as_of} time=${true} bare=${true} />.</p>
    <div class="revenue">${summary.recurring.map(
      ({ currency, monthly_cents, movements }) => html`
      <div class="card">
        <p class="figure"><${Money} cents=${monthly_cents} currency=${currency} /> <span class="muted">a month</span></p>
        <${Bars} caption="Since the month began" heads=${['Movement', 'Share', 'Amount']} of=${MOVEMENTS.map(
          ([name, text, sign]) => ({
            name: text,
            count: movements[name],
            label: '',
            kind: sign > 0 ? 'gain' : 'loss',
            text: money(sign * movements[name], currency),
          }),
        )} />
      </div>`,
    )}</div>`;
}

/**
 * What is overdue, the longest first.
 * @returns {Promise<WhatIsOverdue>}
 */
async function loadOverdue() {
  const page = /** @type {{ invoices: Owed[], next_cursor: string | null }} */ (
    await api.get('/invoices', { status: 'overdue', limit: PAGE })
  );
  return { invoices: page.invoices, more: page.next_cursor !== null };
}

/** @param {{ invoices: Owed[], more: boolean, admin: boolean }} props */
function Overdue({ invoices, more, admin }) {
  if (invoices.length === 0) return html`<${Empty}>Nothing is overdue.<//>`;
  const now = api.now().getTime();
  const days = (/** @type {Owed} */ invoice) => Math.floor((now - Date.parse(invoice.due_at)) / DAY_MS);
  const ages = AGES.map(([name, most], index) => {
    const least = index === 0 ? -1 : (AGES[index - 1]?.[1] ?? 0);
    return { name, invoices: invoices.filter((invoice) => days(invoice) > least && days(invoice) <= most) };
  });
  const owed = moneys(
    sums(
      invoices,
      (each) => each.due_cents,
      (each) => each.currency,
    ),
  );
  return html`
    <p class="lead">${
      more
        ? html`<b>More than ${counted(invoices.length, 'invoice')}</b> are overdue. ${invoices.length} of them come to ${owed}.`
        : html`<b>${counted(invoices.length, 'invoice')}</b> overdue in ${counted(new Set(invoices.map((each) => each.deployment_id)).size, 'deployment')}: ${owed}.`
    }</p>
    <div class="ages">
      <${Bars} caption=${more ? `The first ${invoices.length} by age` : 'Overdue by age'} of=${ages.map((age) => ({
        name: age.name,
        count: age.invoices.length,
        text: moneys(
          sums(
            age.invoices,
            (each) => each.due_cents,
            (each) => each.currency,
          ),
        ),
      }))} />
    </div>
    <table class="rows">
      <thead><tr>
          <th scope="col">Deployment</th>
          <th scope="col" class="w">Invoice</th>
          <th scope="col">Due</th>
          <th scope="col" class="num">Amount due</th></tr></thead>
      <tbody>${invoices.slice(0, SHOWN).map(
        (invoice) => html`
        <tr>
          <th scope="row"><a href=${href(`deployments/${invoice.deployment_id}`)}>${admin && html`<span class="muted">${invoice.tenant_id}/</span>`}${invoice.slug}</a></th>
          <td class="w"><a class="number" href=${href(`deployments/${invoice.deployment_id}/invoices/${invoice.number}`)}>${invoice.number}</a></td>
          <td><${When} at=${invoice.due_at} /></td>
          <td class="num"><${Money} cents=${invoice.due_cents} currency=${invoice.currency} /></td>
        </tr>`,
      )}
      </tbody>
    </table>
    <p class="more"><a href=${href('invoices', { status: 'overdue' })}>All that is overdue</a>. Deployments: ${STATES.map((state, index) => html`${index > 0 && ', '}<a href=${href('deployments', { state })}>${words(state)}</a>`)}</p>`;
}

/**
 * Counts as bars, each with its name and its text.
 * @param {{ caption: string, heads?: string[], of: Array<{ name: string, count: number, text: string, label?: string, kind?: string }> }} props
 *   `label`: what stands beside the bar in place of the count
 */
function Bars({ caption, heads = ['Age', 'Invoices', 'Amount due'], of }) {
  const most = Math.max(1, ...of.map(({ count }) => count));
  return html`
    <table class="bars">
      <caption>${caption}</caption>
      <thead class="hidden"><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
      <tbody>${of.map(
        ({ name, count, text, label = String(count), kind = '' }) => html`
        <tr class=${kind}><th scope="row">${name}</th>
          <td><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width=${(100 * count) / most} height="10" /></svg><span>${label}</span></td>
          <td>${count ? text : ''}</td></tr>`,
      )}
      </tbody>
    </table>`;
}

/** @param {{ schedule: Scheduled[], more: boolean }} props */
function Ahead({ schedule, more }) {
  if (schedule.length === 0) return html`<${Empty}>Nothing is due in the next 7 days.<//>`;
  const tomorrow = api.now().getTime() + DAY_MS;
  // Where the page is not the end, what lies beyond its last entry is unknown.
  const last = Date.parse(schedule.at(-1)?.at ?? '');
  const names = [...new Set(schedule.map((each) => each.action))];
  const cell = (/** @type {Scheduled[]} */ entries, /** @type {boolean} */ partial) => {
    const with_amount = entries.filter((each) => each.amount_cents && each.currency);
    return html`${entries.length}${partial ? ' or more' : ''} ${
      with_amount.length > 0 &&
      html`<span class="sub">${moneys(
        sums(
          with_amount,
          (each) => each.amount_cents ?? 0,
          (each) => each.currency ?? '',
        ),
      )}</span>`
    }`;
  };
  return html`
    <table class="rows">
      <thead><tr>
          <th scope="col">Step</th>
          <th scope="col">Next 24 hours</th>
          <th scope="col">Next 7 days</th>
          <th scope="col" class="w">First</th></tr></thead>
      <tbody>${names.map((name) => {
        const all = schedule.filter((each) => each.action === name);
        return html`
          <tr>
            <th scope="row"><a href=${href('schedule', { action: name, days: '7' })}>${sentence(action(name))}</a></th>
            <td>${cell(
              all.filter((each) => Date.parse(each.at) < tomorrow),
              more && last < tomorrow,
            )}</td>
            <td>${cell(all, more)}</td>
            <td class="w"><${When} at=${all[0]?.at} /></td>
          </tr>`;
      })}
      </tbody>
    </table>
    <p class="muted small">The first step of each deployment. Amounts are estimates: a renewal's is its recurring price.</p>`;
}
