//! The commands of an invoice as actions for the dialog.

import { amount, money, parseMoney, rfc3339 } from '../format.js';
import { filled, REMARKS } from './commands.js';

/** @typedef {import('../shapes.d.ts').Invoice} Invoice */

/** @param {Invoice} invoice */
export function payable(invoice) {
  return ['open', 'uncollectible'].includes(invoice.status) && invoice.due_cents > 0;
}

/** @param {Invoice} invoice */
export function voidable(invoice) {
  return invoice.status !== 'void' && standing(invoice).length === 0;
}

/** The payments that are not reversed. @param {Invoice} invoice */
const standing = (invoice) => invoice.payments.filter((payment) => !payment.reversal);

/** @param {Invoice} invoice */
export function creditable(invoice) {
  return invoice.status !== 'void' && invoice.credited_cents < invoice.total_cents;
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function payment(id, invoice) {
  const { number, currency, due_cents } = invoice;
  return {
    title: 'Record a payment',
    verb: 'Record',
    what: `${money(due_cents, currency)} are due on ${number}. Less can be recorded. The same reference is the same payment, however often it is recorded.`,
    fields: [
      {
        name: 'reference',
        label: 'Reference',
        required: true,
        maxlength: 255,
        hint: 'As the bank or the payment provider names it.',
      },
      { name: 'amount', label: `Amount in ${currency}`, required: true, value: amount(due_cents, currency) },
      { name: 'value_date', label: 'Arrived on', remark: true, pattern: '\\d{4}-\\d{2}-\\d{2}', hint: 'Such as 2027-01-31.' },
      { name: 'keep', label: 'Any excess becomes balance', type: 'checkbox' },
      ...REMARKS,
    ],
    command: ({ reference, amount: text = '', value_date, keep, reason, notes }) => {
      const amount_cents = parseMoney(text, currency);
      if (amount_cents === null) throw new Error(`Write the amount like ${amount(due_cents, currency)}.`);
      return {
        method: 'POST',
        path: `/deployments/${id}/invoices/${number}/payments`,
        body: filled({ reference, amount_cents, currency, value_date, overpayment: keep && 'balance', reason, notes }),
      };
    },
    done: 'The payment is recorded.',
  };
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function voiding(id, invoice) {
  return {
    title: 'Void the invoice',
    verb: 'Void',
    danger: true,
    what: `Voids ${invoice.number} over ${money(invoice.total_cents, invoice.currency)}, as if it had never been issued: it is not due, and nothing of it is credited later${invoice.balance_cents ? '. The balance that settled it is restored' : ''}. This cannot be undone.`,
    fields: REMARKS,
    command: (remarks) => ({ method: 'POST', path: `/deployments/${id}/invoices/${invoice.number}/void`, body: filled(remarks) }),
    done: 'The invoice is void.',
  };
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function creditNote(id, invoice) {
  const { number, currency, lines, credits } = invoice;
  const total = (/** @type {Array<{ charge: string, amount_cents: number }>} */ of, /** @type {string} */ charge) =>
    of.filter((each) => each.charge === charge).reduce((sum, each) => sum + each.amount_cents, 0);
  // A charge and its discount are credited together.
  const rest = (/** @type {Invoice['lines'][number]} */ { charge }) => total(lines, charge) - total(credits, charge);
  const open = lines.filter((line) => line.kind !== 'discount' && line.kind !== 'tax' && rest(line) > 0);
  return {
    title: 'Credit the invoice',
    verb: 'Credit',
    what: 'The tax on it is credited with it. The credit first lowers what is due. What had been settled becomes balance, or is paid back.',
    fields: [
      {
        name: 'charge',
        label: 'Charge',
        type: 'select',
        options: [
          ['', 'All that remains of every charge'],
          ...open.map((line) => /** @type {[string, string]} */ ([line.charge, `${line.description ?? line.code}, ${money(rest(line), currency)}`])),
        ],
      },
      { name: 'amount', label: `Amount before tax in ${currency}`, required: true, when: ({ charge }) => Boolean(charge) },
      { name: 'reference', label: 'Pay back under this reference', maxlength: 255, hint: 'Left empty, it becomes balance.' },
      ...REMARKS,
    ],
    command: ({ charge, amount: text = '', reference, reason, notes }) => {
      const amount_cents = charge ? parseMoney(text, currency) : null;
      if (charge && amount_cents === null) throw new Error(`Write the amount like ${amount(100, currency)}.`);
      const credited = charge ? [{ charge, amount_cents }] : undefined;
      return {
        method: 'POST',
        path: `/deployments/${id}/invoices/${number}/credit-notes`,
        body: filled({ lines: credited, refund: reference ? true : undefined, reference, reason, notes }),
      };
    },
    done: 'The credit note is issued.',
  };
}

/** The settled amount that can be refunded, in minor units. @param {Invoice} invoice */
export const settled = (invoice) => invoice.paid_cents + invoice.balance_cents - invoice.returned_cents;

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function refund(id, invoice) {
  const { number, currency } = invoice;
  return {
    title: 'Refund a part',
    verb: 'Record',
    what: `Credits charges of the invoice, with their tax, and records that the amount was paid back. At most ${money(settled(invoice), currency)}.`,
    fields: [
      { name: 'amount', label: `Amount in ${currency}`, required: true, value: amount(settled(invoice), currency) },
      { name: 'reference', label: 'Reference', required: true, maxlength: 255, hint: 'Of the outgoing payment.' },
      ...REMARKS,
    ],
    command: ({ amount: text = '', reference, reason, notes }) => {
      const amount_cents = parseMoney(text, currency);
      if (amount_cents === null) throw new Error(`Write the amount like ${amount(100, currency)}.`);
      return {
        method: 'POST',
        path: `/deployments/${id}/refunds`,
        body: filled({ amount_cents, currency, reference, invoice: number, reason, notes }),
      };
    },
    done: 'The refund is recorded.',
  };
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function reversal(id, invoice) {
  const { number, currency } = invoice;
  return {
    title: 'Reverse a payment',
    verb: 'Reverse',
    danger: true,
    what: 'The invoice is owed again with its old due date; dunning counts from now. This cannot be undone.',
    fields: [
      {
        name: 'reference',
        label: 'Payment',
        type: 'select',
        value: standing(invoice)[0]?.reference,
        options: standing(invoice).map((each) => [each.reference, `${each.reference}, ${money(each.amount_cents, currency)}`]),
      },
      {
        name: 'kind',
        label: 'Why',
        type: 'select',
        value: 'mistake',
        options: [
          ['mistake', 'It was recorded by mistake'],
          ['chargeback', "The payer's bank took it back"],
        ],
      },
      ...REMARKS,
    ],
    command: ({ reference = '', kind, reason, notes }) => ({
      method: 'POST',
      path: `/deployments/${id}/invoices/${number}/payments/${encodeURIComponent(reference)}/reversal`,
      body: filled({ kind, reason, notes }),
    }),
    done: 'The payment is reversed.',
  };
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function writeOff(id, invoice) {
  const { number, currency, due_cents } = invoice;
  return {
    title: 'Write the invoice off',
    verb: 'Write off',
    what: `Forgives the ${money(due_cents, currency)} that are due. The charges stand, and what was paid stays.`,
    fields: REMARKS,
    command: ({ reason, notes }) => ({
      method: 'POST',
      path: `/deployments/${id}/invoices/${number}/write-off`,
      body: filled({ reason, notes }),
    }),
    done: 'The invoice is written off.',
  };
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function withdrawWriteOff(id, invoice) {
  const { number, currency, forgiven_cents } = invoice;
  return {
    title: 'Withdraw the write-off',
    verb: 'Withdraw',
    what: `${money(forgiven_cents, currency)} are owed again with the old due date; dunning counts from now.`,
    fields: REMARKS,
    command: ({ reason, notes }) => ({
      method: 'DELETE',
      path: `/deployments/${id}/invoices/${number}/write-off`,
      body: filled({ reason, notes }),
    }),
    done: 'The write-off is withdrawn.',
  };
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function laterDueDate(id, invoice) {
  const aWeekLater = new Date(Date.parse(invoice.due_at) + 7 * 86_400_000);
  return {
    title: 'Move the due date',
    verb: 'Move',
    what: 'To a later time. If nothing is overdue then, dunning ends.',
    fields: [
      { name: 'due_at', label: 'Due at (UTC)', type: 'datetime-local', required: true, value: aWeekLater.toISOString().slice(0, 16) },
      ...REMARKS,
    ],
    command: ({ due_at = '', reason, notes }) => ({
      method: 'PATCH',
      path: `/deployments/${id}/invoices/${invoice.number}`,
      body: filled({ due_at: rfc3339(new Date(`${due_at}Z`)), reason, notes }),
    }),
    done: 'The due date is moved.',
  };
}
