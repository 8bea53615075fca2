//! The commands of an invoice as actions for the dialog.

import { amount, money, parseMoney } from '../format.js';

/** @typedef {import('../shapes.d.ts').Invoice} Invoice */

/** @param {Invoice} invoice */
export function payable(invoice) {
  return ['open', 'uncollectible'].includes(invoice.status) && invoice.due_cents > 0;
}

/** @param {Invoice} invoice */
export function voidable(invoice) {
  return invoice.status !== 'void' && invoice.payments.length === 0;
}

/** @param {string} id @param {Invoice} invoice @returns {import('../act.js').Action} */
export function payment(id, invoice) {
  const { number, currency, due_cents } = invoice;
  return {
    title: 'Record a payment',
    verb: 'Record',
    what: `${money(due_cents, currency)} are due on ${number}. Less can be recorded, more is refused. The same reference is the same payment, however often it is recorded.`,
    fields: [
      {
        name: 'reference',
        label: 'Reference',
        required: true,
        maxlength: 255,
        hint: 'As the bank or the payment provider names it.',
      },
      { name: 'amount', label: `Amount in ${currency}`, required: true, value: amount(due_cents, currency) },
    ],
    command: ({ reference, amount: text = '' }) => {
      const amount_cents = parseMoney(text, currency);
      if (amount_cents === null) throw new Error(`Write the amount like ${amount(due_cents, currency)}.`);
      return {
        method: 'POST',
        path: `/deployments/${id}/invoices/${number}/payments`,
        body: { reference, amount_cents, currency },
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
    what: `Takes ${invoice.number} over ${money(invoice.total_cents, invoice.currency)} back, as if it had never been issued: nothing of it is due, nothing of it is credited later${invoice.balance_cents ? ', and the balance that settled it comes back' : ''}. This cannot be undone.`,
    command: () => ({ method: 'POST', path: `/deployments/${id}/invoices/${invoice.number}/void`, body: {} }),
    done: 'The invoice is void.',
  };
}
