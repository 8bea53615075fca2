//! One invoice: its lines, what was credited and paid of it, and what is due.

import * as api from '../api.js';
import { useAction } from '../act.js';
import { deploymentFields, invoiceFields } from '../fields.js';
import { percent, period } from '../format.js';
import { href } from '../router.js';
import { Empty, Facts, html, Money, Page, Show, useLoad, When } from '../ui.js';
import * as commands from './invoice_commands.js';
import { Status } from './invoice_table.js';
import { outcome } from './outcome.js';

/** @typedef {import('../shapes.d.ts').Invoice} InvoiceType */
/** @typedef {import('../shapes.d.ts').Deployment} DeploymentType */
/** @typedef {{ invoice: InvoiceType, deployment: DeploymentType }} Both */

/** @param {import('../main.js').PageProps} props */
export function Invoice({ session, params }) {
  const { id = '', number = '' } = params;
  // `If-Match` names the deployment's version, so the deployment is read, too.
  const read = async () => {
    const [{ invoice }, { deployment }] = await Promise.all([
      /** @type {Promise<{ invoice: InvoiceType }>} */ (api.get(`/deployments/${id}/invoices/${number}`)),
      /** @type {Promise<{ deployment: DeploymentType }>} */ (api.get(`/deployments/${id}`)),
    ]);
    return { invoice, deployment };
  };
  const both = useLoad(`${id}/${number}`, read);
  const [act, dialog] = useAction();
  const invoice = both.data?.invoice;
  const snapshot = (/** @type {Both} */ now) => ({
    version: now.deployment.version,
    fields: { ...deploymentFields(now.deployment), ...invoiceFields(now.invoice) },
  });
  const common = () => ({
    seen: snapshot(/** @type {Both} */ (both.data)),
    read: () => read().then(snapshot),
    outcome,
  });
  const open = (/** @type {(id: string, invoice: InvoiceType) => import('../act.js').Action} */ of) =>
    act({ ...of(id, /** @type {InvoiceType} */ (invoice)), ...common() });
  return html`
    <${Page} title=${`Invoice ${number}`}
      head=${invoice && html`<${Status} invoice=${invoice} />`}
      actions=${
        session.admin &&
        invoice &&
        html`
        ${commands.payable(invoice) && html`<button type="button" class="primary" onClick=${() => open(commands.payment)}>Record a payment</button>`}
        ${invoice.status === 'open' && html`<button type="button" onClick=${() => open(commands.laterDueDate)}>Move the due date</button>`}
        ${commands.payable(invoice) && html`<button type="button" onClick=${() => open(commands.writeOff)}>Write off</button>`}
        ${invoice.forgiven_cents > 0 && html`<button type="button" onClick=${() => open(commands.withdrawWriteOff)}>Withdraw the write-off</button>`}
        ${commands.creditable(invoice) && html`<button type="button" onClick=${() => open(commands.creditNote)}>Credit</button>`}
        ${invoice.status !== 'void' && commands.settled(invoice) > 0 && html`<button type="button" onClick=${() => open(commands.refund)}>Refund a part</button>`}
        ${invoice.payments.some((each) => !each.reversal) && html`<button type="button" class="danger" onClick=${() => open(commands.reversal)}>Reverse a payment</button>`}
        ${commands.voidable(invoice) && html`<button type="button" class="danger" onClick=${() => open(commands.voiding)}>Void</button>`}
        ${!commands.voidable(invoice) && invoice.status === 'open' && html`<span class="muted small">Money was received, so this invoice cannot be voided.</span>`}`
      }>
      <${Show} of=${both}>${(/** @type {Both} */ data) => html`<${Body} ...${data} admin=${session.admin} />`}<//>
    <//>
    ${dialog(() => void both.reload())}`;
}

/** @param {Both & { admin: boolean }} props */
function Body({ invoice, deployment, admin }) {
  const { currency } = invoice;
  return html`
    <${Facts} of=${[
      [
        'Deployment',
        html`<a href=${href(`deployments/${deployment.id}`)}>${admin && html`<span class="muted">${deployment.tenant_id}/</span>`}${deployment.slug}</a>`,
      ],
      ['Bills', period(invoice.billed_from, invoice.billed_to)],
      ['Issued', html`<${When} at=${invoice.issued_at} time=${true} bare=${true} />`],
      ['Due', html`<${When} at=${invoice.due_at} time=${true} bare=${invoice.status !== 'open'} />`],
      invoice.closed_at ? ['Closed', html`<${When} at=${invoice.closed_at} time=${true} bare=${true} />`] : null,
    ]} />
    <section aria-labelledby="lines">
      <h2 id="lines">Lines</h2>
      <table class="rows paper">
        <thead><tr>
            <th scope="col">Charge</th>
            <th scope="col" class="w">For</th>
            <th scope="col" class="num">Amount</th></tr></thead>
        <tbody>
          ${invoice.lines.map(
            (line) => html`<tr>
              <th scope="row">${line.description ?? line.code} <span class="muted">${typeof line.tax_rate_basis_points === 'number' ? percent(line.tax_rate_basis_points) : kind(line.kind)}</span><span class="sub n">${period(line.from, line.to)}</span></th>
              <td class="w">${period(line.from, line.to)}</td>
              <td class="num"><${Money} cents=${line.amount_cents} currency=${currency} /></td></tr>`,
          )}
        </tbody>
        <tfoot>
          ${invoice.tax_rate_basis_points > 0 && html`<${Sum} name="Subtotal" cents=${invoice.subtotal_cents} currency=${currency} /><${Sum} name="Tax" cents=${invoice.tax_cents} currency=${currency} />`}
          <${Sum} name="Total" cents=${invoice.total_cents} currency=${currency} />
          ${invoice.credited_cents > 0 && html`<${Sum} name="Credited" cents=${-invoice.credited_cents} currency=${currency} />`}
          ${invoice.balance_cents > 0 && html`<${Sum} name="Settled by balance" cents=${-invoice.balance_cents} currency=${currency} />`}
          ${invoice.paid_cents > 0 && html`<${Sum} name="Paid" cents=${-invoice.paid_cents} currency=${currency} />`}
          ${invoice.returned_cents > 0 && html`<${Sum} name="Became balance" cents=${invoice.returned_cents} currency=${currency} />`}
          ${invoice.forgiven_cents > 0 && html`<${Sum} name="Written off" cents=${-invoice.forgiven_cents} currency=${currency} />`}
          <${Sum} name="Due" cents=${invoice.due_cents} currency=${currency} strong=${true} />
        </tfoot>
      </table>
    </section>
    <section aria-labelledby="payments">
      <h2 id="payments">Payments</h2>
      ${
        invoice.payments.length === 0
          ? html`<${Empty}>No payment was recorded.<//>`
          : html`
        <table class="rows paper">
          <thead><tr>
              <th scope="col">Reference</th>
              <th scope="col">Received</th>
              <th scope="col" class="num">Amount</th></tr></thead>
          <tbody>${invoice.payments.map(
            (each) => html`<tr>
              <th scope="row">${each.reference} ${each.reversal && html`<span class="muted">${each.reversal.kind === 'chargeback' ? 'charged back' : 'recorded by mistake'}</span>`}</th>
              <td><${When} at=${each.received_at} time=${true} bare=${true} /></td>
              <td class="num"><${Money} cents=${each.amount_cents} currency=${currency} /></td></tr>`,
          )}</tbody>
        </table>`
      }
    </section>
    ${
      invoice.credits.length > 0 &&
      html`
      <section aria-labelledby="credits">
        <h2 id="credits">Credits</h2>
        <table class="rows paper">
          <thead><tr>
              <th scope="col">Charge</th>
              <th scope="col">Credited</th>
              <th scope="col" class="num">Amount</th>
              <th scope="col" class="num w">Became balance</th></tr></thead>
          <tbody>${invoice.credits.map(
            (each) => html`<tr>
              <th scope="row">${invoice.lines.find((line) => line.charge === each.charge)?.code ?? each.charge}</th>
              <td><${When} at=${each.credited_at} time=${true} bare=${true} /></td>
              <td class="num"><${Money} cents=${each.amount_cents} currency=${currency} /></td>
              <td class="num w"><${Money} cents=${each.returned_cents} currency=${currency} /></td></tr>`,
          )}</tbody>
        </table>
      </section>`
    }`;
}

/** @param {{ name: string, cents: number, currency: string, strong?: boolean }} props */
function Sum({ name, cents, currency, strong = false }) {
  return html`<tr class=${strong ? 'strong' : ''}>
      <th scope="row">${name}</th>
      <td class="w"></td>
      <td class="num"><${Money} cents=${cents} currency=${currency} /></td></tr>`;
}

/** @param {string} name */
function kind(name) {
  return (
    {
      plan_charge: 'plan',
      addon_charge: 'add-on',
      one_off_charge: 'once',
      discount: 'discount',
      plan_credit: 'plan, credit',
      addon_credit: 'add-on, credit',
      one_off_credit: 'once, credit',
      tax_credit: 'tax, credit',
    }[name] ?? name
  );
}
