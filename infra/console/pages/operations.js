//! Operations on many deployments, newest first.

import { counted, day, money, words } from '../format.js';
import { href } from '../router.js';
import { html, More, opens, Page, usePages, When } from '../ui.js';

/** @typedef {import('../shapes.d.ts').Operation} Operation */

const PAGE = 50;

export function Operations() {
  const list = /** @type {import('../ui.js').Paged<Operation>} */ (
    usePages('/operations', 'operations', { limit: PAGE })
  );
  return html`
    <${Page} title="Operations">
      <p class="lead">Commands on many deployments at once. To start one, filter <a href=${href('deployments')}>the deployments</a> by tenant, state or plan, and press <b>Command for all</b>.</p>
      ${
        list.items.length > 0 &&
        html`
        <table class="rows click" aria-busy=${list.loading}>
          <thead><tr>
            <th scope="col">Command</th>
            <th scope="col">Status</th>
            <th scope="col" class="num">Done</th>
            <th scope="col" class="num">Refused</th>
            <th scope="col" class="num w">Left</th>
            <th scope="col" class="w">Started</th></tr></thead>
          <tbody>${list.items.map((operation) => html`<${Row} key=${operation.id} operation=${operation} />`)}</tbody>
        </table>`
      }
      <${More} list=${list} one="operation" empty="No operation was started yet." />
    <//>`;
}

/** @param {{ operation: Operation }} props */
function Row({ operation }) {
  const path = `operations/${operation.id}`;
  const { counts, remaining, status, started_at } = operation;
  return html`
    <tr onClick=${opens(path)}>
      <th scope="row"><a href=${href(path)}>${command(operation)}</a><span class="sub">${target(operation)}</span></th>
      <td>${words(status)}</td>
      <td class="num">${counts.done}</td>
      <td class="num">${counts.refused}</td>
      <td class="num w">${remaining}</td>
      <td class="w"><${When} at=${started_at} time=${true} /></td>
    </tr>`;
}

/** What an operation does. @param {Operation} operation */
export function command({ command: of }) {
  if (of.type === 'transition') return `Move to ${words(of.to_state)}`;
  if (of.type === 'change_plan')
    return `Change to ${of.plan_code} version ${of.plan_version}, ${of.effective === 'immediate' ? 'immediately' : 'at the end of the period'}`;
  if (of.type === 'announce_price')
    return `Change the price of ${of.terms.plan_code} version ${of.replaces} to ${money(of.terms.price_cents, of.terms.currency)}, from ${day(of.effective_from)} on`;
  if (of.type === 'credit') return `Credit ${money(of.amount_cents, of.currency)}`;
  if (of.type === 'charge') return `Charge ${money(of.amount_cents, of.currency)} for ${of.description}`;
  if (of.type === 'due_date')
    return 'due_at' in of ? `Due ${day(of.due_at)} or later` : `Due ${counted(of.days, 'day')} later`;
  if (of.type === 'discount') return `Discount of coupon ${of.coupon}`;
  if (of.type === 'copy_tenant_rules') return 'Copy the rules of its tenant';
  return of.billing_action_suspended ? 'Put on hold' : 'Take off hold';
}

/** Which deployments it is for. @param {Pick<Operation, 'filter'>} operation */
export function target({ filter: { tenant_id, state, plan_code, plan_version, ids } }) {
  const conditions = [
    ids !== null && `${ids} named`,
    tenant_id && `of ${tenant_id}`,
    state && `in ${words(state)}`,
    plan_code && `on ${plan_code}${plan_version === null ? '' : ` version ${plan_version}`}`,
  ];
  return `deployments ${conditions.filter(Boolean).join(', ')}`;
}
