//! What needs a person, and the next scheduled steps.

import { useRef, useState } from '../vendor/hooks.js';
import * as api from '../api.js';
import { ATTENTION, action, counted, money, moneys, rfc3339, sentence, sums, words } from '../format.js';
import { LifecycleMap, loadLifecycle } from '../lifecycle.js';
import { href } from '../router.js';
import { Empty, html, Money, Page, Show, Trouble, useLoad, When } from '../ui.js';

/** @typedef {import('../api.js').Owed} Owed */
/** @typedef {import('../api.js').Scheduled} Scheduled */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The number of steps that the first view requests. */
const PAGE = 60;
/** The most requests to count all of them. */
const MOST_PAGES = 50;
const SHOWN = 10;
/** The states of deployments that can have overdue invoices. */
const STATES = ['past_due', 'suspended', 'paused'];
/** Ages of overdue amounts, in days. @type {Array<['0_30' | '31_60' | '61_90' | 'over_90', string]>} */
const AGES = [
  ['0_30', 'to 30 days'],
  ['31_60', '31 to 60'],
  ['61_90', '61 to 90'],
  ['over_90', 'older'],
];

/** @param {import('../main.js').PageProps} props */
export function Today({ session }) {
  const overdue = useLoad('overdue', loadOverdue);
  const lifecycle = useLoad('lifecycle', loadLifecycle);
  const first = useRef(/** @type {Promise<Figures> | null} */ (null));
  const figures = useLoad('figures', () => (first.current = loadFigures(session)));
  // The answer before this one set the clock; the very first request uses the browser's.
  const schedule = useLoad('schedule', async () => {
    await first.current?.catch(() => null);
    const before = rfc3339(new Date(Math.ceil(api.now().getTime() / HOUR_MS) * HOUR_MS + 7 * DAY_MS));
    return nextSteps(before);
  });
  const waiting = figures.data?.summary && waitingIn(figures.data.summary);
  return html`
    <${Page} title="Today">
      <section aria-labelledby="needs">
        <h2 id="needs">${session.admin ? 'Needs a person' : 'Overdue'}</h2>
        ${figures.data?.summary && html`<${Clock} health=${figures.data.summary.clock} />`}
        <${Show} of=${overdue}>${(/** @type {Owed[]} */ invoices) =>
          invoices.length === 0 && waiting?.length === 0
            ? html`<${Empty}>Nothing needs a person.<//>`
            : html`<${Overdue} invoices=${invoices} amounts=${figures.data?.overdue ?? []} admin=${session.admin} />`}<//>
        ${waiting && waiting.length > 0 && html`<${Waiting} kinds=${waiting} />`}
      </section>
      <section aria-labelledby="itself">
        <h2 id="itself">Scheduled steps</h2>
        <${Show} of=${schedule}>${(/** @type {Steps} */ steps) => html`<${Ahead} first=${steps} />`}<//>
      </section>
      <section aria-labelledby="states">
        <h2 id="states">Deployments by state</h2>
        <p class="lead muted">Choose a state to see its deployments. Dashed: moves that only scheduled steps or the platform make.</p>
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
/** @typedef {import('../shapes.d.ts').OverdueAmounts} OverdueAmounts */
/** @typedef {{ counts: Record<string, number>, overdue: OverdueAmounts[], summary: Summary | null }} Figures */
/** @typedef {{ before: string, schedule: Scheduled[], next_cursor: string | null }} Steps `before`: a cursor is only for the same list */

/** A page of the steps before a time. @param {string} before @param {string | null} [cursor] @returns {Promise<Steps>} */
async function nextSteps(before, cursor = null) {
  const page = /** @type {Omit<Steps, 'before'>} */ (await api.get('/schedule', { before, limit: PAGE, cursor }));
  return { before, ...page };
}

/**
 * For the platform the summary, for a tenant the number of deployments by state.
 * @param {import('../session.js').Session} session
 * @returns {Promise<Figures>}
 */
async function loadFigures(session) {
  if (session.admin) {
    const { summary } = /** @type {{ summary: Summary }} */ (await api.get('/summary'));
    return { counts: summary.deployments_by_state, overdue: summary.overdue, summary };
  }
  const { account } = /** @type {{ account: import('../shapes.d.ts').Account }} */ (
    await api.get(`/tenants/${session.tenant}/account`)
  );
  const overdue = account.amounts.filter((amount) => amount.overdue_cents > 0);
  return { counts: account.deployments, overdue, summary: null };
}

/** How far behind the clock may be before a person should look, in seconds. */
const LAG_S = 900;

/** Whether the clock is behind with its work. @param {{ health: Summary['clock'] }} props */
function Clock({ health }) {
  return (
    health.lag_seconds > LAG_S &&
    html`<div class="box bad" role="alert"><p>Scheduled steps are ${counted(Math.floor(health.lag_seconds / 60), 'minute')} behind.</p></div>`
  );
}

/** @typedef {{ kind: keyof typeof ATTENTION, count: number }} Kind */

/** The counts of the attention list. @param {Summary} summary @returns {Kind[]} */
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

/** Recurring revenue by currency, and its changes this month. @param {{ summary: Summary }} props */
function Revenue({ summary }) {
  if (summary.recurring.length === 0) return html`<${Empty}>There are no paid subscriptions outside a trial.<//>`;
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

/** The invoices that are overdue the longest. @returns {Promise<Owed[]>} */
async function loadOverdue() {
  const page = /** @type {{ invoices: Owed[] }} */ (await api.get('/invoices', { status: 'overdue', limit: SHOWN }));
  return page.invoices;
}

/** @param {{ invoices: Owed[], amounts: OverdueAmounts[], admin: boolean }} props */
function Overdue({ invoices, amounts, admin }) {
  if (invoices.length === 0) return html`<${Empty}>Nothing is overdue.<//>`;
  return html`
    ${
      amounts.length > 0 &&
      html`
    <p class="lead"><b>${moneys(amounts.map(({ overdue_cents, currency }) => ({ amount_cents: overdue_cents, currency })))}</b> overdue.</p>
    <div class="ages">${amounts.map(
      ({ currency, overdue_by_age }) => html`
      <${Bars} caption=${amounts.length > 1 ? `Overdue by age, ${currency}` : 'Overdue by age'} heads=${['Age', 'Share', 'Amount due']} of=${AGES.map(
        ([age, name]) => ({ name, count: overdue_by_age[age], label: '', text: money(overdue_by_age[age], currency) }),
      )} />`,
    )}
    </div>`
    }
    <table class="rows">
      <thead><tr>
          <th scope="col">Deployment</th>
          <th scope="col" class="w">Invoice</th>
          <th scope="col">Due</th>
          <th scope="col" class="num">Amount due</th></tr></thead>
      <tbody>${invoices.map(
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
    <p class="more"><a href=${href('invoices', { status: 'overdue' })}>All overdue invoices</a>. Deployments: ${STATES.map((state, index) => html`${index > 0 && ', '}<a href=${href('deployments', { state })}>${words(state)}</a>`)}</p>`;
}

/**
 * Counts as bars, each with its name and its text.
 * @param {{ caption: string, heads: string[], of: Array<{ name: string, count: number, text: string, label?: string, kind?: string }> }} props
 *   `label`: the text beside the bar instead of the count
 */
function Bars({ caption, heads, of }) {
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

/** @param {{ first: Steps }} props */
function Ahead({ first }) {
  const [steps, setSteps] = useState(first);
  const [counting, setCounting] = useState(false);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const { schedule } = steps;
  const more = steps.next_cursor !== null;
  const countAll = async () => {
    setCounting(true);
    setError(null);
    try {
      let all = steps;
      for (let page = 0; all.next_cursor !== null && page < MOST_PAGES; page++) {
        const next = await nextSteps(all.before, all.next_cursor);
        all = { ...next, schedule: [...all.schedule, ...next.schedule] };
        setSteps(all);
      }
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    } finally {
      setCounting(false);
    }
  };
  if (schedule.length === 0) return html`<${Empty}>Nothing is due in the next 7 days.<//>`;
  const tomorrow = api.now().getTime() + DAY_MS;
  // If there are more pages, the steps after the last entry are unknown.
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
      )}${partial ? ' or more' : ''}</span>`
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
    ${more && !error && html`<p class="more"><button type="button" class="small" disabled=${counting} onClick=${countAll}>Count all</button></p>`}
    ${error && html`<${Trouble} error=${error} retry=${countAll} />`}
    <p class="muted small">The first step of each deployment. Amounts are estimates: a renewal's is its recurring price.</p>`;
}
