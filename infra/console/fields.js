//! The fields of a deployment as text: what a dry run changes and what another has changed meanwhile are differences of these.

import { action, discount, moment, money, moneys, per, period, sums, words } from './format.js';

/** @typedef {import('./shapes.d.ts').Deployment} Deployment */
/** @typedef {import('./shapes.d.ts').Subscription} Subscription */
/** @typedef {import('./shapes.d.ts').SubscriptionRecord} SubscriptionRecord */
/** @typedef {import('./shapes.d.ts').Invoice} Invoice */
/** @typedef {Record<string, string>} Fields */

const NONE = 'none';

/** @param {string | null} at */
const moments = (at) => (at ? moment(at) : NONE);

/** @param {Deployment} deployment */
export function owed(deployment) {
  return sums(
    [
      ...deployment.open_invoices.map(({ due_cents, currency }) => ({ amount_cents: due_cents, currency })),
      ...deployment.uncollectible_due,
    ],
    (each) => each.amount_cents,
    (each) => each.currency,
  );
}

/** @param {Deployment} deployment @returns {Fields} */
export function deploymentFields(deployment) {
  return {
    State: words(deployment.state),
    Name: deployment.display_name,
    Region: deployment.region,
    Hold: deployment.billing_action_suspended ? 'held' : NONE,
    "Tenant's hold": deployment.tenant_held ? 'held' : NONE,
    'Open invoices': String(deployment.open_invoices.length),
    Owed: moneys(owed(deployment)),
    Balance: moneys(deployment.balances),
    'Next step': deployment.next_action
      ? `${action(deployment.next_action)}, ${moments(deployment.next_action_at)}`
      : 'nothing',
    'Trial ends': moments(deployment.trial_ends_at),
    Resumes: moments(deployment.resume_at),
    'Live resources': String(deployment.live_resources),
  };
}

/** The fields that a first subscription adds to a deployment. */
const SUBSCRIPTION = [
  'Subscription',
  'Plan',
  'Price',
  'Discount',
  'Period',
  'Add-ons',
  'Subscription ends',
  'Plan changes to',
];

/** @param {Subscription | null} subscription @returns {Fields} */
export function subscriptionFields(subscription) {
  if (!subscription) return Object.fromEntries(SUBSCRIPTION.map((name) => [name, NONE]));
  const { plan_code, plan_version, recurring_cents, currency, interval, pending_change: pending } = subscription;
  return {
    Subscription: words(subscription.status),
    Plan: `${plan_code} v${plan_version}`,
    Price: recurring_cents === null ? NONE : `${money(recurring_cents, currency)} ${per(interval)}`,
    Discount: subscription.discount ? discount(subscription.discount) : NONE,
    Period: period(subscription.current_period_start, subscription.current_period_end),
    'Add-ons': subscription.addons.map((addon) => addon.name).join(', ') || NONE,
    'Waiting for the next invoice': moneys(
      sums(
        subscription.unbilled_lines,
        (line) => line.amount_cents,
        (line) => line.currency,
      ),
    ),
    'Subscription ends': moments(subscription.cancel_at),
    'Plan changes to': pending
      ? `${pending.plan_code} v${pending.plan_version}, ${moments(pending.effective_at)}`
      : NONE,
  };
}

/** The fields of a subscription in an event. @param {SubscriptionRecord} record @returns {Fields} */
export function recordFields(record) {
  return {
    Subscription: words(record.status),
    Plan: `${record.terms.plan_code} v${record.terms.plan_version}`,
    Period: period(record.current_period_start, record.current_period_end),
  };
}

/** @param {Invoice} invoice @returns {Fields} */
export function invoiceFields(invoice) {
  return {
    Invoice: words(invoice.status),
    Due: money(invoice.due_cents, invoice.currency),
    Paid: money(invoice.paid_cents, invoice.currency),
    Credited: money(invoice.credited_cents, invoice.currency),
    'Written off': money(invoice.forgiven_cents, invoice.currency),
    'Due on': moment(invoice.due_at),
  };
}

/**
 * The fields that both have and that differ.
 * @param {Fields} before
 * @param {Fields} after
 */
export function differences(before, after) {
  return Object.entries(after).flatMap(([name, is]) => {
    const was = before[name];
    return was === undefined || was === is ? [] : [{ name, was, is }];
  });
}
