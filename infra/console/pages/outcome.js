//! What a dry run of a command on a deployment answers: the charges and credits, the invoices, the fields that change, and the
//! events. All commands answer alike.

import { Changes } from '../act.js';
import { deploymentFields, differences, invoiceFields, recordFields, subscriptionFields } from '../fields.js';
import { counted, day, money, period, sums } from '../format.js';
import { Chip, html, Money } from '../ui.js';
import { describe, entry } from './history.js';

/** @typedef {import('../vendor/preact.js').Child} Child */
/** @typedef {import('../shapes.d.ts').Deployment} Deployment */
/** @typedef {import('../shapes.d.ts').Subscription} Subscription */
/** @typedef {import('../shapes.d.ts').Invoice} Invoice */
/** @typedef {import('../shapes.d.ts').Line} Line */
/** @typedef {import('../shapes.d.ts').Event} Event_ */
/** @typedef {{ deployment?: Deployment, subscription?: Subscription | null, invoice?: Invoice | null, lines: Line[], events: Event_[] }} Answer */

/**
 * @param {Answer} answer
 * @param {import('../fields.js').Fields} before
 */
export function outcome({ deployment, subscription, invoice, lines, events }, before) {
  const records = events.flatMap(({ data }) =>
    'subscription' in data && data.subscription
      ? [/** @type {import('../shapes.d.ts').SubscriptionRecord} */ (data.subscription)]
      : [],
  );
  const record = records.at(-1);
  const after = {
    ...(record && recordFields(record)),
    ...(deployment && deploymentFields(deployment)),
    ...(subscription && subscriptionFields(subscription)),
    ...(invoice && invoiceFields(invoice)),
  };
  const moves = events.filter((event) => event.type === 'state_changed');
  const changes = differences(before, after).filter(({ name }) => name !== 'State' || moves.length === 0);
  const opened = events.flatMap((event) => (event.type === 'invoice_opened' ? [event.data.invoice] : []));
  return html`
    ${moves.length > 0 && html`<p class="move"><${Chip} state=${moves[0]?.from_state} /> <span aria-hidden="true">\u2192</span><span class="hidden">to</span> <${Chip} state=${moves.at(-1)?.to_state} /></p>`}
    ${lines.length > 0 ? html`<${Lines} lines=${lines} />` : html`<p class="muted">Nothing is charged or credited.</p>`}
    ${opened.map((each) => html`<${Opened} invoice=${each} listed=${lines} />`)}
    ${opened.length === 0 && lines.some((line) => line.amount_cents > 0) && html`<p>The charge waits for the next invoice.</p>`}
    ${(changes.length > 0 || moves.length === 0) && html`<${Changes} of=${changes} />`}
    ${events.length > 0 && html`<h4>In the history</h4><ul class="entries">${events.map((event) => html`<${Happens} event=${event} />`)}</ul>`}`;
}

/**
 * Shows the answer to a dry run on a tenant or the catalog: the events, and the number of deployments that new rules
 * would be copied to.
 * @template E
 * @param {(event: E) => Child} describe
 * @returns {(answer: { events: E[], matching?: import('../shapes.d.ts').Matching | null }) => Child}
 */
export function recordOutcome(describe) {
  return ({ events, matching }) => html`
    ${events.length > 0 ? html`<ul class="entries">${events.map((event) => html`<li>${describe(event)}</li>`)}</ul>` : html`<p class="muted">Nothing changes.</p>`}
    ${matching && html`<p>An operation copies it to <b>${about(matching)}</b>.</p>`}`;
}

/** How many deployments. @param {import('../shapes.d.ts').Matching} matching */
export function about({ count, is }) {
  return `${{ exact: '', at_least: 'at least ', at_most: 'at most ' }[is]}${counted(count, 'deployment')}`;
}

/** An invoice that is issued at once; its lines too, if it bills more than the command charges. @param {{ invoice: import('../shapes.d.ts').InvoiceRecord, listed: Line[] }} props */
function Opened({ invoice, listed }) {
  const { currency, total_cents, balance_cents, due_at } = invoice;
  const charges = new Set(listed.map((line) => line.charge));
  return html`
    <p>An invoice over <b>${money(total_cents, currency)}</b> is issued at once; ${total_cents > balance_cents ? `${money(total_cents - balance_cents, currency)} are due on ${day(due_at)}` : 'the balance settles it'}.</p>
    ${invoice.lines.some((line) => !charges.has(line.charge)) && html`<${Lines} lines=${invoice.lines} />`}`;
}

/** An event, and what it does to the books beyond the charges, which are listed. @param {{ event: Event_ }} props */
function Happens({ event }) {
  const entries = event.entries.filter((each) => each.entry !== 'charged');
  return html`<li>${describe(event)}${entries.map((each) => html`<span class="sub">${entry(each)}</span>`)}</li>`;
}

/** @param {{ lines: Line[] }} props */
export function Lines({ lines }) {
  return html`
    <table class="lines">
      <thead><tr><th scope="col">Line</th><th scope="col">For</th><th scope="col" class="num">Amount</th></tr></thead>
      <tbody>${lines.map(
        (line) => html`<tr>
          <th scope="row">${line.description ?? line.code} <span class="muted">${line.kind.endsWith('credit') ? 'credit' : ['discount', 'tax'].includes(line.kind) ? line.kind : 'charge'}</span></th>
          <td>${period(line.from, line.to)}</td>
          <td class="num"><${Money} cents=${line.amount_cents} currency=${line.currency} /></td></tr>`,
      )}</tbody>
      <tfoot>${sums(
        lines,
        (line) => line.amount_cents,
        (line) => line.currency,
      ).map(
        (sum) =>
          html`<tr class="strong">
              <th scope="row">Sum</th>
              <td></td>
              <td class="num"><${Money} cents=${sum.amount_cents} currency=${sum.currency} /></td></tr>`,
      )}</tfoot>
    </table>`;
}
