//! Invoices across deployments, by filters; the page as comma-separated values.

import * as api from '../api.js';
import { rfc3339 } from '../format.js';
import { loadLifecycle } from '../lifecycle.js';
import { Download, Filter, Filters, html, More, Page, useLoad, usePages } from '../ui.js';
import { InvoiceTable } from './invoice_table.js';

/** @typedef {import('../shapes.d.ts').InvoiceRow} InvoiceRow */

const STATUSES = ['open', 'overdue', 'paid', 'void', 'uncollectible', 'written_off'];
const DAY_MS = 86_400_000;
const PAGE = 50;

/** @param {import('../main.js').PageProps} props */
export function Invoices({ session, query }) {
  const { status, tenant_id, days } = query;
  // The first answer of the API sets the clock that `issued_from` uses.
  const clock = useLoad('clock', loadLifecycle);
  const waits = Boolean(days) && clock.data === null;
  const [issued_from, issued_to] = days && !waits ? span(days) : ['', ''];
  const filters = { status: status ?? '', tenant_id: session.admin ? (tenant_id ?? '') : '', issued_from, issued_to };
  const pages = /** @type {import('../ui.js').Paged<InvoiceRow>} */ (
    usePages('/invoices', 'invoices', { ...filters, limit: PAGE }, waits)
  );
  // Without the clock, a list would be of any time: it shows the clock's progress or error instead.
  const list = waits ? { ...pages, ...clock, items: [] } : pages;
  const any = Boolean(status || tenant_id || days);
  return html`
    <${Page} title="Invoices" actions=${html`<${Download} path="/invoices" query=${filters} file="invoices.csv" disabled=${waits} />`}>
      <${Filters} any=${any} names=${['status', 'tenant_id', 'days']}>
        <${Filter} label="Status" name="status" value=${status} options=${[['', 'Any'], ...STATUSES.map((each) => [each, each])]} />
        <${Filter} label="Issued" name="days" value=${days} options=${[
          ['', 'Any time'],
          ['this_month', 'This month'],
          ['last_month', 'Last month'],
          ['7', 'Last 7 days'],
          ['30', 'Last 30 days'],
          ['90', 'Last 90 days'],
          ['365', 'Last 365 days'],
        ]} />
        ${session.admin && html`<${Filter} label="Tenant" name="tenant_id" value=${tenant_id} placeholder="acme" />`}
      <//>
      ${list.items.length > 0 && html`<div aria-busy=${list.loading}><${InvoiceTable} invoices=${list.items} admin=${session.admin} /></div>`}
      <${More} list=${list} one="invoice" empty=${any ? 'No invoice matches these filters.' : 'There are no invoices yet.'} />
    <//>`;
}

/**
 * The beginning and the end of a choice, to the day, so that the same view sends the same request.
 * @param {string} choice a number of days, or a month
 * @returns {[string, string]}
 */
function span(choice) {
  const now = api.now();
  const month = (/** @type {number} */ ahead) => rfc3339(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)));
  if (choice === 'this_month') return [month(0), month(1)];
  if (choice === 'last_month') return [month(-1), month(0)];
  return [rfc3339(new Date(Math.floor(now.getTime() / DAY_MS) * DAY_MS - Number(choice) * DAY_MS)), ''];
}
