//! Invoices as a table.

import { now } from '../api.js';
import { period } from '../format.js';
import { href } from '../router.js';
import { Chip, html, Money, opens, When } from '../ui.js';
import { payable, payment, voidable, voiding } from './invoice_commands.js';

/** @param {{ invoices: Array<import('../shapes.d.ts').Invoice | import('../shapes.d.ts').InvoiceRow>, admin?: boolean, act?: (action: import('../act.js').Action) => void }} props
 *   `act`: show the platform's commands; `admin`: show the tenant, if the invoices have it */
export function InvoiceTable({ invoices, admin = false, act }) {
  return html`
    <table class="rows click">
      <thead><tr>
        <th scope="col">Invoice</th><th scope="col">Status</th>
        <th scope="col" class="w">Due date</th><th scope="col" class="num w">Total</th><th scope="col" class="num">Amount due</th>
      </tr></thead>
      <tbody>${invoices.map((invoice) => {
        const path = `deployments/${invoice.deployment_id}/invoices/${invoice.number}`;
        return html`
          <tr key=${invoice.number} onClick=${opens(path)}>
            <th scope="row"><a class="number" href=${href(path)}>${invoice.number}</a><span class="sub">${'slug' in invoice && html`${admin && `${invoice.tenant_id}/`}<b>${invoice.slug}</b>, `}${period(invoice.billed_from, invoice.billed_to)}</span></th>
            <td><${Status} invoice=${invoice} /></td>
            <td class="w nowrap"><${When} at=${invoice.due_at} bare=${true} /></td>
            <td class="num w"><${Money} cents=${invoice.total_cents} currency=${invoice.currency} /></td>
            <td class="num">${invoice.due_cents ? html`<${Money} cents=${invoice.due_cents} currency=${invoice.currency} />` : html`<span class="muted">\u2013</span>`}${act && html`<${Buttons} invoice=${invoice} act=${act} />`}</td>
          </tr>`;
      })}
      </tbody>
    </table>`;
}

/** @param {{ invoice: import('../shapes.d.ts').Invoice, act: (action: import('../act.js').Action) => void }} props */
function Buttons({ invoice, act }) {
  const id = invoice.deployment_id;
  return html`
    <span class="sub">
      ${payable(invoice) && html`<button type="button" class="link" aria-label=${`Record a payment on ${invoice.number}`} onClick=${() => act(payment(id, invoice))}>Record a payment</button>`}
      ${voidable(invoice) && invoice.status === 'open' && html`<br /><button type="button" class="link" aria-label=${`Void ${invoice.number}`} onClick=${() => act(voiding(id, invoice))}>Void</button>`}
    </span>`;
}

/** @param {{ invoice: import('../shapes.d.ts').Invoice }} props */
export function Status({ invoice }) {
  return html`<${Chip} state=${isOverdue(invoice) ? 'overdue' : invoice.status} />`;
}

/** @param {import('../shapes.d.ts').Invoice} invoice */
export function isOverdue(invoice) {
  return invoice.status === 'open' && Date.parse(invoice.due_at) <= now().getTime();
}
