//! A deployment's history: every event with its actor, reason, notes and what it did to the books.

import { useState } from '../vendor/hooks.js';
import * as api from '../api.js';
import { discount, money, moment, moneys, per, percent, period, sums, words } from '../format.js';
import { Chip, html, Trouble } from '../ui.js';

/** @typedef {import('../shapes.d.ts').Event} Event_ */

// More than the deployment's answer has, so that the first page has new events.
const PAGE = 100;

/** @param {{ id: string, first: Event_[] }} props the first events come with the deployment */
export function History({ id, first }) {
  const [state, set] = useState({
    events: first,
    cursor: /** @type {string | null} */ (null),
    loading: false,
    error: /** @type {Error | null} */ (null),
  });
  const more = (state.events.at(-1)?.sequence ?? 1) > 1;
  const load = async () => {
    set({ ...state, loading: true, error: null });
    try {
      // The events that came with the deployment have no cursor; the first page is read once more.
      const answer = /** @type {{ events: Event_[], next_cursor: string | null }} */ (
        await api.get(`/deployments/${id}/events`, { limit: PAGE, cursor: state.cursor })
      );
      const last = state.events.at(-1)?.sequence ?? Infinity;
      set({
        events: [...state.events, ...answer.events.filter((event) => event.sequence < last)],
        cursor: answer.next_cursor,
        loading: false,
        error: null,
      });
    } catch (error) {
      set({ ...state, loading: false, error: /** @type {Error} */ (error) });
    }
  };
  return html`
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <ol class="events">${state.events.map((event) => html`<${Entry} key=${event.sequence} event=${event} />`)}</ol>
      ${state.error && html`<${Trouble} error=${state.error} retry=${load} />`}
      <p class=${state.loading ? 'more loading' : 'more'} role="status">${state.loading ? 'Loading\u2026' : more ? html`<button type="button" class="small" onClick=${load}>Show earlier events</button>` : 'There are no earlier events.'}</p>
    </section>`;
}

/** @param {{ event: Event_ }} props */
function Entry({ event }) {
  const moved = event.from_state && event.to_state && event.from_state !== event.to_state;
  return html`
    <li>
      <time datetime=${event.occurred_at} title=${`Event ${event.sequence}`}>${moment(event.occurred_at)}</time>
      <div>
        <p>${describe(event)}${moved && html` <span class="nowrap"><${Chip} state=${event.from_state} /> \u2192 <${Chip} state=${event.to_state} /></span>`}</p>
        <${Remarks} of=${event} />
        ${event.entries.length > 0 && html`<ul class="entries">${event.entries.map((each) => html`<li>${entry(each)}</li>`)}</ul>`}
      </div>
      <span class="actor muted">${event.actor}</span>
    </li>`;
}

/** An entry in the books, as a sentence. @param {import('../shapes.d.ts').Entry} each */
export function entry(each) {
  switch (each.entry) {
    case 'charged':
      if (each.line.kind === 'discount') {
        return `${money(-each.line.amount_cents, each.line.currency)} off by ${each.line.code}`;
      }
      return `${money(each.line.amount_cents, each.line.currency)} charged for ${each.line.description ?? each.line.code}, ${period(each.line.from, each.line.to)}`;
    case 'credited': {
      const {
        line: { currency, code, amount_cents },
        lowered_cents,
        returned_cents,
      } = each;
      const became = [
        returned_cents ? `${money(returned_cents, currency)} became balance` : '',
        lowered_cents ? `${money(lowered_cents, currency)} less is due` : '',
      ]
        .filter(Boolean)
        .join(', ');
      return `${money(Math.abs(amount_cents), currency)} credited of ${code}${became ? `: ${became}` : ''}`;
    }
    case 'balance_used':
      return `${money(each.amount_cents, each.currency)} of balance settled ${each.number}`;
    case 'balance_granted':
      return `${money(each.amount_cents, each.currency)} of balance was granted`;
    case 'balance_paid_back':
      return `${money(each.amount_cents, each.currency)} of balance was paid back`;
    case 'balance_returned':
      return `${money(each.amount_cents, each.currency)} of balance came back from ${each.number}`;
  }
}

/** @param {import('../shapes.d.ts').SubscriptionRecord} subscription */
const terms = ({ terms: { plan_code, plan_version } }) => `${plan_code} v${plan_version}`;

/** An event, as a sentence. @param {Event_} event @returns {string} */
export function describe({ type, data, charges }) {
  switch (type) {
    case 'created':
      return data.trial_ends_at ? `Created in trial until ${moment(data.trial_ends_at)}` : 'Created';
    case 'state_changed':
      if (data.paused_by === 'tenant_hold') return "Paused by its tenant's hold";
      if (data.paused_by === 'unsubscribed') return 'Paused: no subscription for too long';
      return data.resume_at ? `Paused until ${moment(data.resume_at)}` : 'State changed';
    case 'updated':
      return `Changed: ${Object.entries(data)
        .map(([name, change]) => updated(name, change))
        .join('; ')}`;
    case 'resource_added':
      return `Resource recorded: ${data.kind}`;
    case 'resource_deleted':
      return `Resource deleted: ${data.kind}`;
    case 'subscribed':
      return `Subscribed to ${terms(data.subscription)}${data.addons.length ? ` with ${data.addons.map((addon) => addon.name).join(', ')}` : ''}`;
    case 'trial_ended':
      return 'The trial ended';
    case 'renewed':
      return `Renewed for ${period(data.subscription.current_period_start, data.subscription.current_period_end)}`;
    case 'invoice_opened':
      return `Invoice ${data.invoice.number} issued: ${money(data.invoice.total_cents, data.invoice.currency)}, due ${moment(data.invoice.due_at)}`;
    case 'payment_received':
      return `Payment ${data.payment.reference} on ${data.number}: ${paid(data)}`;
    case 'invoice_voided':
      return `Invoice ${data.number} voided`;
    case 'charge_added': {
      const charge = charges?.changed.find((each) => each.code === 'one_off');
      return charge
        ? `Charged once: ${charge.description ?? charge.code}, ${money(charge.amount_cents, charge.currency)}`
        : 'Charged once, on an invoice of its own';
    }
    case 'credit_granted':
      return `Credit granted: ${money(data.amount.amount_cents, data.amount.currency)}`;
    case 'credit_note_issued':
      return `Credit note on ${data.number}`;
    case 'refunded':
      return `Refund ${data.refund.reference}: ${money(data.refund.amount_cents, data.refund.currency)}`;
    case 'payment_reversed':
      return `Payment ${data.reference} on ${data.number} ${data.kind === 'chargeback' ? 'charged back' : 'reversed: a mistake'}, ${money(data.owed.due_cents, data.owed.currency)} due`;
    case 'invoice_written_off':
      return `Invoice ${data.number} written off: ${money(data.amount_cents, /-([A-Z]{3})(?:-\d+)?$/.exec(data.number)?.[1] ?? '')}`;
    case 'write_off_withdrawn':
      return `Write-off of ${data.number} withdrawn, ${money(data.owed.due_cents, data.owed.currency)} due`;
    case 'invoice_due_date_changed':
      return `Due date of ${data.number} moved from ${moment(data.due_at.from)} to ${moment(data.due_at.to)}`;
    case 'balance_applied':
      return `Balance settled ${data.numbers.join(', ')}`;
    case 'invoices_uncollectible':
      return `Given up: ${data.numbers.join(', ')}`;
    case 'addon_attached':
      return `${data.addon.name} attached`;
    case 'addon_detached':
      return `${data.addon.name} detached`;
    case 'plan_changed':
      return `Plan changed from ${data.from.plan_code} v${data.from.plan_version} to ${data.to.plan_code} v${data.to.plan_version}${data.ended_announcement ? '; this ends the announced price change' : ''}`;
    case 'price_change_announced':
      return `Price change announced: from ${money(data.from.price_cents, data.from.currency)} to ${money(data.to.price_cents, data.to.currency)} ${per(data.to.interval)}, on ${moment(data.effective_at)}`;
    case 'plan_change_scheduled':
      return `Change of plan scheduled${data.subscription.pending_change ? `: ${data.subscription.pending_change.terms.plan_code} v${data.subscription.pending_change.terms.plan_version} on ${moment(data.subscription.current_period_end)}` : ''}`;
    case 'plan_change_withdrawn':
      return 'Scheduled plan change withdrawn';
    case 'cancellation_scheduled':
      return `Subscription ends on ${moment(data.subscription.cancel_at ?? data.subscription.current_period_end)}`;
    case 'cancellation_withdrawn':
      return 'Scheduled cancellation withdrawn';
    case 'subscription_cancelled':
      return 'Subscription ended';
    case 'discount_granted':
      return data.subscription.discount ? `Granted: ${discount(data.subscription.discount)}` : 'Discount granted';
    case 'discount_removed':
      return `Discount ${data.coupon} removed${data.subscription.discount ? ' from the next period on' : ''}`;
    case 'discount_ended':
      return `Discount ${data.coupon} ended${data.cause === 'plan_not_covered' ? ': it is not for this plan' : ''}`;
    case 'trial_extended':
      return `End of the trial moved from ${moment(data.ends_at.from)} to ${moment(data.ends_at.to)}`;
  }
}

/** The currency of a payment is its invoice's: the number ends in it. @param {{ number: string, payment: import('../shapes.d.ts').Payment, due_cents: number }} data */
function paid({ number, payment, due_cents }) {
  const currency = /-([A-Z]{3})(?:-\d+)?$/.exec(number)?.[1] ?? '';
  const [got] = sums(
    [payment],
    (each) => each.amount_cents,
    () => currency,
  );
  return `${moneys(got ? [got] : [])}${due_cents ? `, ${money(due_cents, currency)} still due` : ''}`;
}

/** The changes of a tenant's rules. @param {{ from: import('../shapes.d.ts').TenantRules, to: import('../shapes.d.ts').TenantRules }} change */
function tenantRules({ from, to }) {
  const changed = [];
  if (from.held !== to.held) changed.push(to.held ? 'tenant held' : 'tenant released');
  if (from.tax_rate_basis_points !== to.tax_rate_basis_points) changed.push(`tax rate ${percent(to.tax_rate_basis_points ?? 0)}`);
  if (from.unsubscribed?.after_days !== to.unsubscribed?.after_days) {
    const days = to.unsubscribed?.after_days;
    changed.push(days ? `paused after ${days} days without a subscription` : 'no pause without a subscription');
  }
  return changed.join(', ') || 'rules of the tenant';
}

/** @param {string} name @param {unknown} change */
function updated(name, change) {
  const to = change !== null && typeof change === 'object' && 'to' in change ? change.to : change;
  if (name === 'billing_action_suspended') return to ? 'held' : 'hold cleared';
  if (name === 'tenant_rules') {
    return tenantRules(/** @type {Parameters<typeof tenantRules>[0]} */ (change));
  }
  return `${words(name)} ${to === null ? 'cleared' : String(to)}`;
}

/** The reason and the notes of an event. @param {{ of: { reason?: string | null | undefined, notes?: string | null | undefined } }} props */
export function Remarks({ of: { reason, notes } }) {
  return html`
    ${reason && reason !== 'created' && html`<p class="muted">Reason: ${/^[a-z_]+$/.test(reason) ? words(reason) : reason}</p>`}
    ${notes && html`<p class="notes">${notes}</p>`}`;
}
