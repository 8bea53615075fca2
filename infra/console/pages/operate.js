//! Starting an operation: one command on every deployment of a filter, with its dry run.

import { amount, parseMoney, rfc3339, sums, words } from '../format.js';
import { html, Moneys } from '../ui.js';
import { filled } from './commands.js';
import { describe } from './history.js';
import { target } from './operations.js';
import { about } from './outcome.js';

/** @typedef {import('../act.js').Field} Field */
/** @typedef {import('../act.js').Values} Values */
/** @typedef {import('../shapes.d.ts').OperationDryRun} DryRun */
/** @typedef {import('../shapes.d.ts').OperationPreview} Preview */
/** @typedef {{ tenant_id?: string, state?: string, plan_code?: string, plan_version?: number }} Selection */

/** @type {Array<[string, string]>} */
const COMMANDS = [
  ['due_date', 'Give open invoices a later due date'],
  ['credit', 'Grant a credit'],
  ['charge', 'Charge once'],
  ['discount', 'Grant a discount'],
  ['transition', 'Move to another state'],
  ['change_plan', 'Change the plan'],
  ['update', 'Put on hold or take off hold'],
];
const STATES = ['active', 'paused', 'past_due', 'suspended', 'cancelled', 'archived'];
const MOST_A_SECOND = 400;

/**
 * The filter of an operation for the same deployments as a list; null if operations cannot select them.
 * @param {Record<string, string | undefined>} query
 * @returns {Selection | null}
 */
export function selection({ tenant_id, state, plan_code, plan_version, ...others }) {
  if (Object.values(others).some(Boolean) || !(tenant_id || state || plan_code)) return null;
  return {
    ...(tenant_id ? { tenant_id } : {}),
    ...(state ? { state } : {}),
    ...(plan_code ? { plan_code } : {}),
    ...(plan_code && plan_version ? { plan_version: Number(plan_version) } : {}),
  };
}

/** Shown only for some commands. @param {string[]} types @param {Field} field @returns {Field} */
const of = (types, field) => ({
  ...field,
  when: (values) => types.includes(values['type'] ?? '') && (field.when?.(values) ?? true),
});

/** @type {Field[]} */
const FIELDS = [
  { name: 'type', label: 'Command', type: 'select', options: COMMANDS, value: 'due_date' },
  of(['due_date'], {
    name: 'later',
    label: 'Due',
    type: 'select',
    value: 'days',
    options: [
      ['days', 'some days later, counted from now if it is overdue'],
      ['due_at', 'at a time, unless it is due later'],
    ],
  }),
  of(['due_date'], {
    name: 'days',
    label: 'Days',
    type: 'number',
    required: true,
    value: '7',
    when: ({ later }) => later === 'days',
  }),
  of(['due_date'], {
    name: 'due_at',
    label: 'Due on (UTC)',
    type: 'datetime-local',
    required: true,
    when: ({ later }) => later === 'due_at',
  }),
  of(['charge'], {
    name: 'description',
    label: 'Description',
    required: true,
    maxlength: 200,
    hint: 'The text on the invoice.',
  }),
  of(['credit', 'charge'], {
    name: 'amount',
    label: 'Amount',
    required: true,
    hint: `Such as ${amount(1_000, 'USD')}.`,
  }),
  of(['credit', 'charge'], {
    name: 'currency',
    label: 'Currency',
    required: true,
    value: 'USD',
    pattern: '[A-Z]{3}',
    maxlength: 3,
  }),
  of(['charge'], {
    name: 'when',
    label: 'Invoiced',
    type: 'select',
    value: 'next_invoice',
    options: [
      ['next_invoice', 'with the next invoice'],
      ['now', 'now, on an invoice of its own'],
    ],
  }),
  of(['discount'], {
    name: 'coupon',
    label: 'Coupon',
    required: true,
    maxlength: 63,
    hint: 'Its code in the catalog. Each grant counts as a redemption.',
  }),
  of(['transition'], {
    name: 'to_state',
    label: 'State',
    type: 'select',
    value: 'paused',
    options: STATES.map((state) => [state, words(state)]),
  }),
  of(['change_plan'], { name: 'plan_code', label: 'Plan', required: true, maxlength: 63 }),
  of(['change_plan'], { name: 'plan_version', label: 'Version', type: 'number', required: true, value: '1' }),
  of(['change_plan'], {
    name: 'effective',
    label: 'When',
    type: 'select',
    value: 'period_end',
    options: [
      ['period_end', 'at the end of the period'],
      ['immediate', 'at once'],
    ],
  }),
  of(['update'], {
    name: 'held',
    label: 'Hold',
    type: 'select',
    value: 'yes',
    options: [
      ['yes', 'put on hold: scheduled steps do not change its state'],
      ['no', 'take off hold'],
    ],
  }),
  {
    name: 'reason',
    label: 'Reason',
    required: true,
    maxlength: 200,
    hint: 'Stored in the events of every deployment.',
  },
  { name: 'notes', label: 'Notes', remark: true, maxlength: 2_000 },
  {
    name: 'rate',
    label: 'Deployments a second',
    type: 'number',
    required: true,
    remark: true,
    value: '100',
    hint: `At most ${MOST_A_SECOND}.`,
  },
];

/** @param {Values} values @returns {Record<string, unknown>} */
function commandOf({ type, ...values }) {
  const money = () => {
    const amount_cents = parseMoney(values['amount'] ?? '', values['currency'] ?? '');
    if (amount_cents === null) throw new Error(`Write the amount like ${amount(1_000, 'USD')}.`);
    return { amount_cents, currency: values['currency'] };
  };
  switch (type) {
    case 'due_date':
      return values['later'] === 'days'
        ? { type, days: Number(values['days']) }
        : { type, due_at: rfc3339(new Date(values['due_at'] + 'Z')) };
    case 'credit':
      return { type, ...money() };
    case 'charge':
      return { type, description: values['description'], ...money(), when: values['when'] };
    case 'discount':
      return { type, coupon: values['coupon'] };
    case 'transition':
      return { type, to_state: values['to_state'] };
    case 'change_plan':
      return {
        type,
        plan_code: values['plan_code'],
        plan_version: Number(values['plan_version']),
        effective: values['effective'],
      };
    default:
      return { type: 'update', billing_action_suspended: values['held'] === 'yes' };
  }
}

/** @param {Selection} filter @returns {import('../act.js').Action} */
export function operate(filter) {
  const named = { tenant_id: null, state: null, plan_code: null, plan_version: null, ids: null, ...filter };
  return {
    title: 'A command on many deployments',
    verb: 'Start',
    danger: true,
    what: `For all ${target({ filter: /** @type {import('../shapes.d.ts').OperationFilter} */ (named) })}, each as a single command. It can be stopped; finished deployments stay changed.`,
    fields: FIELDS,
    command: ({ reason, notes, rate, ...values }) => ({
      method: 'POST',
      path: '/operations',
      body: filled({ filter, command: commandOf(values), reason, notes, rate_per_second: Number(rate) }),
    }),
    dryRunInBody: true,
    outcome: (answer) => html`<${Outcome} answer=${answer} />`,
    done: 'The operation runs.',
  };
}

/** @param {{ answer: Pick<DryRun, 'matching' | 'preview'> }} props */
export function Outcome({ answer: { matching, preview } }) {
  return html`
    <p><b>${about(matching).replace(/^a/, 'A')}</b> ${matching.count === 1 ? 'matches' : 'match'}${matching.count > preview.length && preview.length > 0 ? `; the first ${preview.length}:` : '.'}</p>
    ${
      preview.length > 0 &&
      html`
      <table class="lines previews">
        <thead><tr><th scope="col">Deployment</th><th scope="col">What would happen</th></tr></thead>
        <tbody>${preview.map((each) => html`<${Row} key=${each.deployment_id} of=${each} />`)}</tbody>
      </table>`
    }`;
}

/** @param {{ of: Preview }} props */
function Row({ of: { deployment_id, tenant_id, slug, outcome, problem, lines, events } }) {
  const charged = sums(
    lines,
    (line) => line.amount_cents,
    (line) => line.currency,
  );
  return html`
    <tr>
      <th scope="row">${slug ? html`<span class="muted">${tenant_id}/</span>${slug}` : deployment_id}</th>
      <td>${
        problem
          ? html`${problem.detail} <code>${problem.code}</code>`
          : outcome === 'unchanged'
            ? html`<span class="muted">Nothing.</span>`
            : html`<ul class="entries">${events.map((event) => html`<li>${describe(event)}</li>`)}</ul>${charged.length > 0 && html`<${Moneys} amounts=${charged} />`}`
      }</td>
    </tr>`;
}
