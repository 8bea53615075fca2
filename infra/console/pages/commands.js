//! The commands of a deployment as actions for the dialog: what they ask and send. What their dry runs answer is shown by
//! `outcome.js`.

import { amount, money, move, parseMoney, per, rfc3339 } from '../format.js';
import { html } from '../ui.js';

/** @typedef {import('../shapes.d.ts').Deployment} Deployment */
/** @typedef {import('../shapes.d.ts').DeploymentDetails} Details */
/** @typedef {import('../shapes.d.ts').Subscription} Subscription */
/** @typedef {import('../act.js').Action} Action */

export const moveName = move;

/** @param {string | undefined} value of a datetime-local input, meant in UTC */
const utc = (value) => (value ? rfc3339(new Date(value + 'Z')) : undefined);

/** @param {Record<string, unknown>} body without the fields that were left empty */
export const filled = (body) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined && value !== ''));

/** The fields of every correction. @type {import('../act.js').Field[]} */
export const REMARKS = [
  { name: 'reason', label: 'Reason', remark: true, maxlength: 200 },
  { name: 'notes', label: 'Notes', remark: true, maxlength: 2_000 },
];

/**
 * @param {Details} details
 * @param {import('../shapes.d.ts').State} to
 * @returns {Action}
 */
export function transition({ deployment }, to) {
  const name = move(deployment.state, to);
  return {
    title: `${name} ${deployment.slug}`,
    verb: name,
    danger: to === 'cancelled' || to === 'archived',
    fields: [
      ...(to === 'paused'
        ? [{ name: 'resume_at', label: 'Resume automatically at (UTC)', type: /** @type {const} */ ('datetime-local') }]
        : []),
      ...REMARKS,
    ],
    command: ({ reason, notes, resume_at }) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/transition`,
      body: filled({ to_state: to, reason, notes, resume_at: utc(resume_at) }),
    }),
    done: `Done: ${deployment.slug} is ${to.replace('_', ' ')}.`,
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function edit(deployment) {
  return {
    title: `Edit ${deployment.slug}`,
    verb: 'Save',
    fields: [
      { name: 'display_name', label: 'Name', required: true, value: deployment.display_name },
      { name: 'region', label: 'Region', required: true, value: deployment.region },
      ...REMARKS,
    ],
    command: (values) => ({ method: 'PATCH', path: `/deployments/${deployment.id}`, body: filled(values) }),
    done: 'Saved.',
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function hold(deployment) {
  const held = deployment.billing_action_suspended;
  return {
    title: held ? `Clear the hold on ${deployment.slug}` : `Hold ${deployment.slug}`,
    verb: held ? 'Clear the hold' : 'Hold',
    what: held
      ? 'Scheduled steps change its state again. Deadlines that passed during the hold are counted from now.'
      : 'Until the hold is cleared, no scheduled step changes its state or gives up an invoice. Renewals and invoices continue.',
    fields: REMARKS,
    command: (remarks) => ({
      method: 'PATCH',
      path: `/deployments/${deployment.id}`,
      body: { billing_action_suspended: !held, ...filled(remarks) },
    }),
    done: held ? 'The hold is cleared.' : 'The deployment is held.',
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function extendTrial(deployment) {
  return {
    title: `Move the end of the trial of ${deployment.slug}`,
    verb: 'Move',
    what: 'A later time extends the trial, an earlier one shortens it.',
    fields: [
      {
        name: 'trial_ends_at',
        label: 'Ends at (UTC)',
        type: 'datetime-local',
        required: true,
        value: (deployment.trial_ends_at ?? '').slice(0, 16),
      },
      ...REMARKS,
    ],
    command: ({ trial_ends_at, reason, notes }) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/trial`,
      body: filled({ trial_ends_at: utc(trial_ends_at), reason, notes }),
    }),
    done: 'The end of the trial is moved.',
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function recordResource(deployment) {
  return {
    title: `Record a resource of ${deployment.slug}`,
    verb: 'Record',
    fields: [
      { name: 'kind', label: 'Kind', required: true, hint: 'Such as vm, database or bucket.' },
      { name: 'provider_reference', label: "The provider's reference", required: true },
      { name: 'region', label: 'Region', hint: `Default: ${deployment.region}.` },
    ],
    command: (values) => ({ method: 'POST', path: `/deployments/${deployment.id}/resources`, body: filled(values) }),
    done: 'The resource is recorded.',
  };
}

/** @param {Deployment} deployment @param {import('../shapes.d.ts').Resource} resource @returns {Action} */
export function deleteResource(deployment, resource) {
  return {
    title: 'Mark a resource as deleted',
    verb: 'Mark as deleted',
    danger: true,
    what: html`Records that <code>${resource.provider_reference}</code> (${resource.kind}) is gone. It deletes nothing at the provider.`,
    command: () => ({ method: 'DELETE', path: `/deployments/${deployment.id}/resources/${resource.id}` }),
    done: 'The resource is marked as deleted.',
  };
}

/** @typedef {{ plans: import('../shapes.d.ts').Plan[], addons: import('../shapes.d.ts').Addon[] }} Catalog */

/** @param {Catalog['plans'][number]} plan @returns {[string, string]} */
function offer({ code, name, newest_version: newest }) {
  return [
    code,
    newest
      ? `${name}: ${money(newest.price_cents, newest.currency)} ${per(newest.interval)}${newest.trial_days ? `, ${newest.trial_days} days free` : ''}`
      : name,
  ];
}

/**
 * The price of an add-on for an interval.
 * @param {{ price_cents: number, interval_prices?: Record<string, number> }} addon
 * @param {string} interval
 */
export function addonPrice(addon, interval) {
  return addon.interval_prices?.[interval] ?? addon.price_cents;
}

/** An add-on with its price for an interval. @param {Catalog['addons'][number]} addon @param {string} interval */
function addonOffer(addon, interval) {
  return `${addon.name}: ${money(addonPrice(addon, interval), addon.currency)} ${per(interval)}`;
}

/** The platform alone may sell an earlier version. @param {boolean} admin @returns {import('../act.js').Field[]} */
function versionField(admin) {
  return admin ? [{ name: 'plan_version', label: 'Version', type: 'number', hint: 'Default: the newest.' }] : [];
}

/** @param {string | undefined} text */
const number = (text) => (text ? Number(text) : undefined);

/** @param {Deployment} deployment @param {Catalog} catalog @param {boolean} admin @returns {Action} */
export function subscribe(deployment, { plans, addons }, admin) {
  const onSale = plans.filter((plan) => plan.status === 'active' && plan.newest_version);
  const version = (/** @type {string | undefined} */ code) =>
    onSale.find((plan) => plan.code === code)?.newest_version ?? null;
  const fits = (/** @type {import('../act.js').Values} */ values) =>
    addons.filter((addon) => addon.status === 'active' && addon.currency === version(values['plan_code'])?.currency);
  const chosen = (/** @type {import('../act.js').Values} */ values) =>
    fits(values).filter((addon) => values[`addon:${addon.code}`]);
  return {
    title: `Subscribe ${deployment.slug}`,
    verb: 'Subscribe',
    fields: [
      { name: 'plan_code', label: 'Plan', type: 'select', options: onSale.map(offer), value: onSale[0]?.code ?? '' },
      ...versionField(admin),
      ...addons.map(
        (addon) =>
          /** @type {import('../act.js').Field} */ ({
            name: `addon:${addon.code}`,
            label: (values) => addonOffer(addon, version(values['plan_code'])?.interval ?? 'month'),
            type: 'checkbox',
            when: (values) => fits(values).includes(addon),
          }),
      ),
      {
        name: 'anchor',
        label: 'Periods begin',
        type: 'select',
        options: [
          ['calendar', 'on the first of the month; this one is billed in part'],
          ['now', 'now'],
        ],
        value: 'calendar',
      },
      ...(admin
        ? [{ name: 'trial_ends_at', label: 'Trial until (UTC)', type: /** @type {const} */ ('datetime-local') }]
        : []),
      ...REMARKS,
    ],
    command: (values) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/subscribe`,
      body: filled({
        plan_code: values['plan_code'],
        plan_version: number(values['plan_version']),
        addons: chosen(values).map((addon) => addon.code),
        anchor: values['anchor'],
        trial_ends_at: utc(values['trial_ends_at']),
        reason: values['reason'],
        notes: values['notes'],
      }),
    }),
    done: 'Subscribed.',
  };
}

/** @param {Deployment} deployment @param {Subscription} subscription @param {Catalog} catalog @returns {Action} */
export function attach(deployment, subscription, { addons }) {
  const fitting = addons.filter((addon) => addon.status === 'active' && addon.currency === subscription.currency);
  return {
    title: 'Attach an add-on',
    verb: 'Attach',
    what:
      fitting.length > 0
        ? 'The rest of this period is charged by the second, on the next invoice. The add-on keeps its price when the catalog changes.'
        : `No add-on on sale is priced in ${subscription.currency}.`,
    fields: [
      {
        name: 'addon_code',
        label: 'Add-on',
        type: 'select',
        value: fitting[0]?.code ?? '',
        options: fitting.map((addon) => [addon.code, addonOffer(addon, subscription.interval)]),
      },
      ...REMARKS,
    ],
    command: (values) => {
      if (!values['addon_code']) throw new Error('There is no add-on to attach.');
      return { method: 'POST', path: `/deployments/${deployment.id}/subscription/addons`, body: filled(values) };
    },
    done: 'The add-on is attached.',
  };
}

/** @param {Deployment} deployment @param {import('../shapes.d.ts').SubscriptionAddon} addon @returns {Action} */
export function detach(deployment, addon) {
  return {
    title: `Detach ${addon.name}`,
    verb: 'Detach',
    danger: true,
    what: 'Its charge for the rest of this period is credited.',
    fields: REMARKS,
    command: (remarks) => ({
      method: 'DELETE',
      path: `/deployments/${deployment.id}/subscription/addons/${addon.id}`,
      body: filled(remarks),
    }),
    done: 'The add-on is detached.',
  };
}

/** @param {Details} details @param {Catalog} catalog @param {boolean} admin @returns {Action} */
export function changePlan({ deployment, subscription }, { plans }, admin) {
  const fits = (/** @type {Catalog['plans'][number]} */ plan) =>
    Number(plan.newest_version?.currency === subscription?.currency);
  const onSale = plans
    .filter((plan) => plan.status === 'active' && plan.newest_version)
    .sort((one, two) => fits(two) - fits(one));
  const named = (/** @type {Catalog['plans'][number]} */ plan) => {
    const [code, text] = offer(plan);
    return /** @type {[string, string]} */ ([code, code === subscription?.plan_code ? `${text} (the present plan)` : text]);
  };
  return {
    title: `Change the plan of ${deployment.slug}`,
    verb: 'Change the plan',
    fields: [
      { name: 'plan_code', label: 'Plan', type: 'select', options: [['', 'Choose a plan'], ...onSale.map(named)], value: '' },
      ...versionField(admin),
      {
        name: 'effective',
        label: 'When',
        type: 'select',
        options: [
          ['immediate', 'at once'],
          ['period_end', 'at the end of the period'],
        ],
        value: 'immediate',
      },
      ...(admin
        ? [
            {
              name: 'proration',
              label: 'Proration',
              type: /** @type {const} */ ('select'),
              options: /** @type {Array<[string, string]>} */ ([
                ['prorate', 'by the second'],
                ['none', 'none: the new price counts from the next period on'],
              ]),
              value: 'prorate',
              when: (/** @type {import('../act.js').Values} */ values) => values['effective'] === 'immediate',
            },
          ]
        : []),
      { name: 'drop_incompatible', label: 'Drop add-ons of another currency', type: 'checkbox' },
    ],
    command: ({ plan_code, plan_version, effective, proration, drop_incompatible }) => {
      if (!plan_code) throw new Error('Choose a plan.');
      return {
        method: 'POST',
        path: `/deployments/${deployment.id}/subscription/change`,
        body: filled({
          plan_code,
          plan_version: number(plan_version),
          effective,
          proration: effective === 'immediate' && proration === 'none' ? proration : undefined,
          drop_incompatible: drop_incompatible ? true : undefined,
        }),
      };
    },
    done: 'The plan is changed.',
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function withdrawChange(deployment) {
  return {
    title: 'Withdraw the scheduled plan change',
    verb: 'Withdraw',
    what: 'The subscription keeps its plan.',
    fields: REMARKS,
    command: (remarks) => ({
      method: 'DELETE',
      path: `/deployments/${deployment.id}/subscription/change`,
      body: filled(remarks),
    }),
    done: 'The change is withdrawn.',
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function grantDiscount(deployment) {
  return {
    title: `Grant ${deployment.slug} a discount`,
    verb: 'Grant',
    what: 'The terms of the coupon are copied. The discount counts from the next period that begins.',
    fields: [
      { name: 'coupon', label: 'Coupon', required: true, maxlength: 63, hint: 'Its code in the catalog.' },
      ...REMARKS,
    ],
    command: (values) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/subscription/discount`,
      body: filled(values),
    }),
    done: 'The discount is granted.',
  };
}

/** @param {Deployment} deployment @param {Subscription} subscription @returns {Action} */
export function removeDiscount(deployment, subscription) {
  return {
    title: `Remove the discount of ${deployment.slug}`,
    verb: 'Remove',
    danger: true,
    what: subscription.discount?.running ? 'It still counts for this period, and ends with it.' : 'It ends at once.',
    fields: REMARKS,
    command: (values) => ({
      method: 'DELETE',
      path: `/deployments/${deployment.id}/subscription/discount`,
      body: filled(values),
    }),
    done: 'The discount is removed.',
  };
}

/** @param {Deployment} deployment @param {Subscription} subscription @returns {Action} */
export function cancelSubscription(deployment, subscription) {
  const end =
    subscription.trial_ends_at && !subscription.billed_from
      ? subscription.trial_ends_at
      : subscription.current_period_end;
  return {
    title: `Cancel the subscription of ${deployment.slug}`,
    verb: 'Cancel the subscription',
    danger: true,
    what: 'The deployment stays as it is.',
    fields: [
      {
        name: 'effective',
        label: 'When',
        type: 'select',
        value: 'period_end',
        options: [
          ['period_end', `at the end of the period, ${end.slice(0, 10)}`],
          ['immediate', 'at once: the charges of the rest of the period are credited'],
        ],
      },
      ...REMARKS,
    ],
    command: (values) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/subscription/cancellation`,
      body: filled(values),
    }),
    done: 'The subscription is cancelled.',
  };
}

/** @param {Deployment} deployment @returns {Action} */
export function withdrawCancellation(deployment) {
  return {
    title: 'Withdraw the scheduled cancellation',
    verb: 'Withdraw',
    what: 'The subscription continues.',
    fields: REMARKS,
    command: (remarks) => ({
      method: 'DELETE',
      path: `/deployments/${deployment.id}/subscription/cancellation`,
      body: filled(remarks),
    }),
    done: 'The cancellation is withdrawn.',
  };
}

/** The currency of a deployment's prices. @param {Details} details */
const currencyOf = ({ deployment, subscription }) =>
  subscription?.currency ?? deployment.balances[0]?.currency ?? deployment.open_invoices[0]?.currency ?? 'USD';

/** @param {string} currency @returns {import('../act.js').Field[]} */
const amountFields = (currency) => [
  { name: 'amount', label: 'Amount', required: true, hint: `Such as ${amount(1_000, currency)}.` },
  { name: 'currency', label: 'Currency', required: true, value: currency, pattern: '[A-Z]{3}', maxlength: 3 },
];

/** @param {import('../act.js').Values} values */
function amountOf({ amount: text = '', currency = '' }) {
  const amount_cents = parseMoney(text, currency);
  if (amount_cents === null) throw new Error(`Write the amount like ${amount(1_000, currency || 'USD')}.`);
  return { amount_cents, currency };
}

/** @param {Details} details @returns {Action} */
export function charge(details) {
  const { deployment } = details;
  return {
    title: `Charge ${deployment.slug} once`,
    verb: 'Charge',
    fields: [
      { name: 'description', label: 'Description', required: true, maxlength: 200, hint: 'The text on the invoice.' },
      ...amountFields(currencyOf(details)),
      {
        name: 'when',
        label: 'Invoiced',
        type: 'select',
        value: 'next_invoice',
        options: [
          ['next_invoice', 'with the next invoice'],
          ['now', 'now, on an invoice of its own'],
        ],
      },
      ...REMARKS,
    ],
    command: ({ description, when, reason, notes, ...money }) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/charges`,
      body: filled({ description, ...amountOf(money), when, reason, notes }),
    }),
    done: 'The amount is charged.',
  };
}

/** @param {Details} details @returns {Action} */
export function credit(details) {
  const { deployment } = details;
  return {
    title: `Grant ${deployment.slug} a credit`,
    verb: 'Grant',
    what: 'Adds balance, which settles open invoices at once and later ones when they are issued. No charge is credited.',
    fields: [
      ...amountFields(currencyOf(details)),
      { name: 'reason', label: 'Reason', required: true, maxlength: 200 },
      { name: 'notes', label: 'Notes', remark: true, maxlength: 2_000 },
    ],
    command: ({ reason, notes, ...money }) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/credits`,
      body: filled({ ...amountOf(money), reason, notes }),
    }),
    done: 'The credit is granted.',
  };
}

/** @param {Details} details @returns {Action} */
export function refund(details) {
  const { deployment } = details;
  return {
    title: `Record a refund of ${deployment.slug}`,
    verb: 'Record',
    what: 'Records money that was paid back from the balance. To refund an invoice, credit it on its own page.',
    fields: [
      ...amountFields(currencyOf(details)),
      { name: 'reference', label: 'Reference', required: true, maxlength: 255, hint: 'Of the outgoing payment.' },
      ...REMARKS,
    ],
    command: ({ reference, reason, notes, ...money }) => ({
      method: 'POST',
      path: `/deployments/${deployment.id}/refunds`,
      body: filled({ reference, ...amountOf(money), reason, notes }),
    }),
    done: 'The refund is recorded.',
  };
}
