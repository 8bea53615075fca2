//! All invoices, by filters.

import { now } from '../api.js';
import { period, words } from '../format.js';
import { href } from '../router.js';
import { Chip, Filter, Filters, html, Money, More, opens, Page, usePages, When } from '../ui.js';
import { payable, payment, voidable, voiding } from './invoice_commands.js';

/** @typedef {import('../api.js').ListedInvoice} ListedInvoice */

const STATUSES = ['overdue', 'open', 'paid', 'void', 'uncollectible'];
const NAMES = ['status', 'tenant_id', 'issued_from', 'issued_to', 'due_before'];
const PAGE = 50;

/** @param {string | undefined} date a day as the address has it, from its beginning */
const beginning = (date) => (date ? `${date}T00:00:00Z` : '');

/** @param {import('../main.js').PageProps} props */
export function Invoices({ session, query }) {
  const { status, tenant_id, issued_from, issued_to, due_before } = query;
  const list = /** @type {import('../ui.js').Paged<ListedInvoice>} */ (
    usePages('/invoices', 'invoices', {
      status: status ?? '',
      tenant_id: session.admin ? (tenant_id ?? '') : '',
      issued_from: beginning(issued_from),
      issued_to: beginning(issued_to),
      due_before: beginning(due_before),
      limit: PAGE,
    })
  );
  const any = NAMES.some((name) => query[name]);
  return html`
    <${Page} title="Invoices">
      <${Filters} any=${any} names=${NAMES}>
        <${Filter} label="Status" name="status" value=${status} options=${[['', 'Any'], ...STATUSES.map((each) => [each, words(each)])]} />
        ${session.admin && html`<${Filter} label="Tenant" name="tenant_id" value=${tenant_id} placeholder="acme" />`}
        <${Filter} label="Issued from" name="issued_from" value=${issued_from} type="date" />
        <${Filter} label="Issued before" name="issued_to" value=${issued_to} type="date" />
        <${Filter} label="Due before" name="due_before" value=${due_before} type="date" />
      <//>
      ${list.items.length > 0 && html`<${InvoiceTable} invoices=${list.items} admin=${session.admin} named=${true} busy=${list.loading} />`}
      <${More} list=${list} one="invoice" empty=${any ? 'No invoice matches these filters.' : 'There are no invoices yet.'} />
    <//>`;
}

/** @param {{ invoices: Array<import('../shapes.d.ts').Invoice & { tenant_id?: string, slug?: string }>, named?: boolean, admin?: boolean, busy?: boolean, act?: (action: import('../act.js').Action) => void }} props
 *   `named`: with their deployments; `act`: with what the platform can do to them */
export function InvoiceTable({ invoices, named = false, admin = false, busy = false, act }) {
  return html`
    <table class="rows click" aria-busy=${busy}>
      <thead><tr>
        ${named && html`<th scope="col" class="w">Deployment</th>`}<th scope="col">Invoice</th>${named && html`<th scope="col" class="w">Period</th>`}<th scope="col">Status</th>
        <th scope="col" class="w">Due date</th><th scope="col" class="num w">Total</th><th scope="col" class="num">Amount due</th>
      </tr></thead>
      <tbody>${invoices.map((invoice) => {
        const path = `deployments/${invoice.deployment_id}/invoices/${invoice.number}`;
        const name = html`${admin && html`<span class="muted">${invoice.tenant_id}/</span>`}${invoice.slug}`;
        return html`
          <tr key=${invoice.number} onClick=${opens(path)}>
            ${named && html`<td class="w"><a class="plain" href=${href(`deployments/${invoice.deployment_id}`)}>${name}</a></td>`}
            <th scope="row"><a class="number" href=${href(path)}>${invoice.number}</a>${named ? html`<span class="sub n">${name}</span>` : html`<span class="sub">${period(invoice.billed_from, invoice.billed_to)}</span>`}</th>
            ${named && html`<td class="w nowrap">${period(invoice.billed_from, invoice.billed_to)}</td>`}
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
