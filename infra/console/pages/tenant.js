//! A tenant's account, statement and dunning policy.

import { useState } from '../vendor/hooks.js';
import { useAction } from '../act.js';
import * as api from '../api.js';
import { counted, words } from '../format.js';
import { href } from '../router.js';
import { Chip, Empty, Facts, Filter, Filters, html, Money, Page, Show, useLoad, When } from '../ui.js';
import { filled, REMARKS } from './commands.js';
import { Customer, describe, readTenant, TenantHistory } from './customer.js';
import { recordOutcome } from './outcome.js';

/** @typedef {import('../shapes.d.ts').Account} Account */
/** @typedef {import('../shapes.d.ts').AccountAmounts} Amounts */
/** @typedef {import('../shapes.d.ts').DunningPolicy} Policy */

/** Ages of overdue amounts, in days. @type {Array<['0_30' | '31_60' | '61_90' | 'over_90', string]>} */
const AGES = [
  ['0_30', 'to 30 days'],
  ['31_60', '31 to 60'],
  ['61_90', '61 to 90'],
  ['over_90', 'older'],
];

/** @param {import('../main.js').PageProps} props */
export function Tenant({ session, params, query }) {
  const { tenant_id = '' } = params;
  const { month = '' } = query;
  const account = useLoad(`${tenant_id} ${month}`, () =>
    /** @type {Promise<{ account: Account }>} */ (api.get(`/tenants/${tenant_id}/account`, { month })),
  );
  const tenant = useLoad(tenant_id, () => readTenant(tenant_id));
  const policy = useLoad(tenant_id, () => readPolicy(tenant_id));
  const [changes, setChanges] = useState(0);
  // A change of one raises the version of both.
  const changed = () => {
    void tenant.reload();
    void policy.reload();
    setChanges(changes + 1);
  };
  const [act, dialog] = useAction();
  const of = session.admin ? { tenant_id } : {};
  return html`
    <${Page} title=${session.admin ? `Tenant ${tenant_id}` : 'Account'} actions=${html`
      <a class="button" href=${href('deployments', of)}>Deployments</a>
      <a class="button" href=${href('invoices', of)}>Invoices</a>
      <a class="button" href=${href('schedule', of)}>Schedule</a>`}>
      <${Customer} known=${tenant} admin=${session.admin} changed=${changed} />
      <${Show} of=${account}>${(/** @type {{ account: Account }} */ answer) => html`<${Body} account=${answer.account} of=${of} />`}<//>
      <section aria-labelledby="statement">
        <h2 id="statement">Statement</h2>
        <${Filters} any=${month !== ''} names=${['month']}>
          <${Filter} label="Month" name="month" value=${month} type="month" placeholder="2027-01" />
        <//>
        <${Show} of=${account}>${(/** @type {{ account: Account }} */ answer) => answer.account.statement && html`<${Statement} of=${answer.account.statement} />`}<//>
      </section>
      <section aria-labelledby="policy">
        <h2 id="policy">When an invoice is not paid</h2>
        <${Show} of=${policy}>${(/** @type {Versioned} */ known) => html`
          <${Ladder} policy=${known.policy} />
          ${session.admin && html`<button type="button" class="small" aria-label="Edit what happens when an invoice is not paid" onClick=${() => act(editPolicy(tenant_id, known))}>Edit</button>`}`}<//>
      </section>
      <section aria-labelledby="changes">
        <h2 id="changes">Changes</h2>
        <${TenantHistory} key=${`${tenant_id} ${changes}`} tenant_id=${tenant_id} />
      </section>
    <//>
    ${dialog(changed)}`;
}

/** The days of a dunning policy, as its form asks for them. @type {Array<[keyof Policy, string]>} */
const DAYS = [
  ['payment_terms_days', 'Due after issue'],
  ['past_due_after_days', 'Past due'],
  ['suspended_after_days', 'Suspended'],
  ['cancelled_after_days', 'Cancelled'],
  ['archived_after_days', 'Archived after cancellation'],
];

/** @typedef {{ policy: Policy, version: number }} Versioned with the version of its tenant */

/** @param {string} tenant_id @returns {Promise<Versioned>} */
async function readPolicy(tenant_id) {
  const { answer, version } = /** @type {{ answer: { dunning_policy: Policy }, version: number }} */ (
    await api.getVersioned(`/tenants/${tenant_id}/dunning-policy`)
  );
  return { policy: answer.dunning_policy, version };
}

/** @param {number} count */
const days = (count) => counted(count, 'day');

/** @param {Versioned} known @returns {import('../act.js').Snapshot} */
function snapshot({ policy, version }) {
  return { version, fields: Object.fromEntries(DAYS.map(([name, label]) => [label, days(policy[name])])) };
}

/** @param {string} tenant_id @param {Versioned} known @returns {import('../act.js').Action} */
function editPolicy(tenant_id, known) {
  return {
    title: `When an invoice of ${tenant_id} is not paid`,
    verb: 'Save',
    what: 'Days after the due date, the first after the issue of the invoice. Deadlines that already run do not move.',
    fields: [
      ...DAYS.map(([name, label]) => ({
        name,
        label: `${label}, in days`,
        type: /** @type {const} */ ('number'),
        required: true,
        value: String(known.policy[name]),
      })),
      ...REMARKS,
    ],
    outcome: recordOutcome(describe),
    command: ({ reason, notes, ...values }) => ({
      method: 'PUT',
      path: `/tenants/${tenant_id}/dunning-policy`,
      body: {
        ...Object.fromEntries(DAYS.map(([name]) => [name, Number(values[name])])),
        ...filled({ reason, notes }),
      },
    }),
    seen: snapshot(known),
    read: () => readPolicy(tenant_id).then(snapshot),
    done: 'Saved.',
  };
}

/** @param {{ account: Account, of: Record<string, string> }} props */
function Body({ account, of }) {
  const states = Object.entries(account.deployments);
  return html`
    <section aria-labelledby="deployments">
      <h2 id="deployments">Deployments</h2>
      ${
        states.length === 0
          ? html`<${Empty}>There are none.<//>`
          : html`<${Facts} of=${states.map(([state, count]) => [
              html`<${Chip} state=${state} />`,
              html`<a href=${href('deployments', { ...of, state })} aria-label=${`${count} ${words(state)}`}>${count}</a>`,
            ])} />`
      }
    </section>
    <section aria-labelledby="owed">
      <h2 id="owed">Owed</h2>
      ${account.amounts.length === 0 ? html`<${Empty}>Nothing is owed, and there is no balance.<//>` : html`<${Owed} amounts=${account.amounts} />`}
    </section>
    <section aria-labelledby="next">
      <h2 id="next">Next invoices</h2>
      ${account.upcoming_invoices.length === 0 ? html`<${Empty}>No invoice is scheduled.<//>` : html`<${Upcoming} invoices=${account.upcoming_invoices} />`}
    </section>`;
}

/** @param {{ amounts: Amounts[] }} props */
function Owed({ amounts }) {
  const row = (/** @type {string} */ name, /** @type {(amount: Amounts) => number} */ cents) =>
    html`<tr><th scope="row">${name}</th>${amounts.map((each) => html`<td class="num"><${Money} cents=${cents(each)} currency=${each.currency} /></td>`)}</tr>`;
  return html`
    <table class="rows paper">
      <thead><tr><th scope="col">Amount</th>${amounts.map((each) => html`<th scope="col" class="num">${each.currency}</th>`)}</tr></thead>
      <tbody>
        ${row('Open', (each) => each.open_cents)}
        ${row('of it overdue', (each) => each.overdue_cents)}
        ${AGES.map(([name, text]) => row(`overdue ${text}`, (each) => each.overdue_by_age[name]))}
        ${row('Given up', (each) => each.uncollectible_cents)}
        ${row('Balance', (each) => each.balance_cents)}
      </tbody>
    </table>`;
}

/** @type {Array<['opening_cents' | 'invoiced_cents' | 'tax_cents' | 'credited_cents' | 'voided_cents' | 'written_off_cents' | 'paid_cents' | 'granted_cents' | 'paid_back_cents' | 'closing_cents', string, number]>} */
const FLOWS = [
  ['opening_cents', 'Owed at the start', 1],
  ['invoiced_cents', 'Invoiced', 1],
  ['tax_cents', 'Tax invoiced, less tax credited and voided', 1],
  ['credited_cents', 'Credited', -1],
  ['voided_cents', 'Void', -1],
  ['written_off_cents', 'Written off', -1],
  ['paid_cents', 'Paid', -1],
  ['granted_cents', 'Credit granted', -1],
  ['paid_back_cents', 'Paid back', 1],
  ['closing_cents', 'Owed at the end', 1],
];

/** @param {{ of: NonNullable<Account['statement']> }} props */
function Statement({ of: { amounts } }) {
  if (amounts.length === 0) return html`<${Empty}>Nothing had been invoiced by the end of that month.<//>`;
  return html`
    <table class="rows paper">
      <thead><tr><th scope="col">Amount</th>${amounts.map((each) => html`<th scope="col" class="num">${each.currency}</th>`)}</tr></thead>
      <tbody>${FLOWS.map(
        ([name, text, sign]) =>
          html`<tr class=${name === 'closing_cents' ? 'strong' : ''}><th scope="row">${text}</th>${amounts.map((each) => html`<td class="num"><${Money} cents=${each[name] && sign * each[name]} currency=${each.currency} /></td>`)}</tr>`,
      )}</tbody>
    </table>
    <p class="muted small">Entries count by the time of recording. Balance is subtracted from the debt.</p>`;
}

/** @param {{ invoices: Account['upcoming_invoices'] }} props */
function Upcoming({ invoices }) {
  return html`
    <table class="rows paper">
      <thead><tr><th scope="col">Deployment</th><th scope="col">Issued</th><th scope="col" class="num">About</th></tr></thead>
      <tbody>${invoices.map(
        (each) => html`<tr>
          <th scope="row"><a href=${href(`deployments/${each.deployment_id}`)}>${each.slug}</a></th>
          <td><${When} at=${each.at} /></td>
          <td class="num"><${Money} cents=${each.amount_cents} currency=${each.currency} /></td></tr>`,
      )}</tbody>
    </table>
    <p class="muted small">Estimates: the recurring price with tax, without waiting charges and credits.</p>`;
}

/** @param {{ policy: Policy }} props */
function Ladder({ policy }) {
  return html`<${Facts} of=${DAYS.map(([name, label]) => [label, days(policy[name])])} />
  <p class="muted small">Days count from the due date, the last from the cancellation.</p>`;
}
