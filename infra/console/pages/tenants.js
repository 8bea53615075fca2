//! All tenants, with what they owe.

import { href } from '../router.js';
import { html, More, Moneys, opens, Page, usePages } from '../ui.js';

/** @typedef {import('../shapes.d.ts').Tenant} Tenant */

const PAGE = 50;

export function Tenants() {
  const list = /** @type {import('../ui.js').Paged<Tenant>} */ (usePages('/tenants', 'tenants', { limit: PAGE }));
  return html`
    <${Page} title="Tenants">
      ${
        list.items.length > 0 &&
        html`
        <table class="rows click" aria-busy=${list.loading}>
          <thead><tr>
            <th scope="col">Tenant</th>
            <th scope="col">Name</th>
            <th scope="col" class="num">Deployments</th>
            <th scope="col" class="num">Open</th>
            <th scope="col" class="num">Overdue</th></tr></thead>
          <tbody>${list.items.map((tenant) => html`<${Row} key=${tenant.tenant_id} tenant=${tenant} />`)}</tbody>
        </table>`
      }
      <${More} list=${list} one="tenant" empty="No tenant has a deployment yet." />
    <//>`;
}

/** @param {{ tenant: Tenant }} props */
function Row({ tenant }) {
  const path = `tenants/${tenant.tenant_id}`;
  const sums = (/** @type {'due_cents' | 'overdue_cents'} */ name) =>
    tenant.due
      ? html`<${Moneys} amounts=${tenant.due.map((due) => ({ currency: due.currency, amount_cents: due[name] }))} />`
      : html`<span class="muted">too many to add up</span>`;
  return html`
    <tr onClick=${opens(path)}>
      <th scope="row"><a href=${href(path)}>${tenant.tenant_id}</a></th>
      <td>${tenant.name ?? ''}</td>
      <td class="num">${tenant.deployments ?? html`<span class="muted">more than 10,000</span>`}</td>
      <td class="num">${sums('due_cents')}</td>
      <td class="num">${sums('overdue_cents')}</td>
    </tr>`;
}
