//! The coupons of the catalog. For `platform_admin`.

import * as api from '../api.js';
import { useAction } from '../act.js';
import { amount, counted, day, money, parseMoney, rfc3339, words } from '../format.js';
import { Chip, html, More, usePages } from '../ui.js';
import { describe } from './catalog_history.js';
import { filled, REMARKS } from './commands.js';
import { recordOutcome } from './outcome.js';

/** @typedef {import('../shapes.d.ts').Coupon} Coupon */

/** @type {Array<[string, string]>} */
const DURATIONS = [
  ['once', 'one period'],
  ['periods', 'some periods'],
  ['forever', 'as long as the subscription lives'],
];

/** @param {{ changed: () => void }} props */
export function Coupons({ changed }) {
  const coupons = /** @type {import('../ui.js').Paged<Coupon>} */ (usePages('/coupons', 'coupons', { limit: 100 }));
  const [act, dialog] = useAction();
  return html`
    <section aria-labelledby="coupons">
      <div class="head"><h2 id="coupons">Coupons</h2><button type="button" class="small" onClick=${() => act(putCoupon(null))}>New coupon</button></div>
      ${
        coupons.items.length > 0 &&
        html`
        <table class="rows">
          <thead><tr>
              <th scope="col">Coupon</th>
              <th scope="col">Status</th>
              <th scope="col">Off</th>
              <th scope="col" class="w">For</th>
              <th scope="col" class="num">Granted</th><td></td></tr></thead>
          <tbody>${coupons.items.map(
            (coupon) => html`
            <tr><th scope="row">${coupon.name}<span class="sub">${coupon.code}</span></th>
              <td><${Chip} state=${coupon.status === 'active' ? 'on_sale' : 'retired'} /></td>
              <td>${off(coupon)}<span class="sub">${duration(coupon)}</span></td>
              <td class="w">${coupon.plans.length > 0 ? coupon.plans.join(', ') : 'every plan'}${coupon.redeem_by && html`<span class="sub">until ${day(coupon.redeem_by)}</span>`}</td>
              <td class="num">${coupon.redemptions.toLocaleString('en')}${coupon.max_redemptions !== null && html`<span class="sub">of ${coupon.max_redemptions.toLocaleString('en')}</span>`}</td>
              <td class="num"><button type="button" class="small" aria-label=${`Edit ${coupon.name}`} onClick=${() => act(putCoupon(coupon))}>Edit</button></td>
            </tr>`,
          )}
          </tbody>
        </table>`
      }
      <${More} list=${coupons} one="coupon" empty="There are no coupons yet." />
      ${dialog(() => {
        coupons.reload();
        changed();
      })}
    </section>`;
}

/** @param {Coupon} coupon */
function off({ percent_basis_points: points, amount_cents, currency }) {
  return points === null ? money(amount_cents ?? 0, currency ?? 'USD') : `${points / 100}%`;
}

/** @param {Coupon} coupon */
function duration({ duration: of, periods }) {
  if (of === 'once') return 'for one period';
  return of === 'forever' ? 'for ever' : `for ${counted(periods ?? 0, 'period')}`;
}

/** @param {Coupon} coupon @returns {import('../fields.js').Fields} */
const couponFields = (coupon) => ({
  Name: coupon.name,
  Status: words(coupon.status),
  Off: `${off(coupon)} ${duration(coupon)}`,
  Plans: coupon.plans.join(', ') || 'every plan',
  Granted: String(coupon.redemptions),
  'At most': String(coupon.max_redemptions ?? 'no limit'),
  Until: coupon.redeem_by ? day(coupon.redeem_by) : 'no end',
});

/** @param {Coupon | null} coupon @returns {import('../act.js').Action} */
function putCoupon(coupon) {
  const snapshot = (/** @type {Coupon} */ each) => ({ version: each.revision, fields: couponFields(each) });
  return {
    title: coupon ? `Edit ${coupon.name}` : 'New coupon',
    verb: coupon ? 'Save' : 'Create',
    what: 'Its terms are copied when it is granted, so a change does not affect earlier grants.',
    fields: [
      ...(coupon
        ? []
        : [
            {
              name: 'code',
              label: 'Code',
              required: true,
              pattern: '[a-z0-9_]+',
              hint: 'Lower case letters, digits and underscores. It cannot be changed later.',
            },
          ]),
      { name: 'name', label: 'Name', required: true, value: coupon?.name ?? '' },
      {
        name: 'kind',
        label: 'Takes off',
        type: 'select',
        value: coupon && coupon.percent_basis_points === null ? 'amount' : 'percent',
        options: [
          ['percent', 'a part of the price'],
          ['amount', 'an amount of each period'],
        ],
      },
      {
        name: 'percent',
        label: 'Percent',
        required: true,
        pattern: '\\d{1,3}(\\.\\d{1,2})?',
        hint: 'Such as 20 or 12.5.',
        value: coupon?.percent_basis_points ? String(coupon.percent_basis_points / 100) : '',
        when: ({ kind }) => kind === 'percent',
      },
      {
        name: 'amount',
        label: 'Amount',
        required: true,
        value: coupon?.amount_cents ? amount(coupon.amount_cents, coupon.currency ?? 'USD') : '',
        when: ({ kind }) => kind === 'amount',
      },
      {
        name: 'currency',
        label: 'Currency',
        required: true,
        pattern: '[A-Z]{3}',
        maxlength: 3,
        value: coupon?.currency ?? 'USD',
        when: ({ kind }) => kind === 'amount',
      },
      { name: 'duration', label: 'For', type: 'select', options: DURATIONS, value: coupon?.duration ?? 'once' },
      {
        name: 'periods',
        label: 'Periods',
        type: 'number',
        required: true,
        value: String(coupon?.periods ?? 3),
        when: ({ duration }) => duration === 'periods',
      },
      {
        name: 'plans',
        label: 'Plans',
        value: coupon?.plans.join(', ') ?? '',
        hint: 'Codes separated by commas. Empty means every plan.',
      },
      {
        name: 'max_redemptions',
        label: 'Granted at most',
        type: 'number',
        value: String(coupon?.max_redemptions ?? ''),
      },
      {
        name: 'redeem_by',
        label: 'Last moment (UTC)',
        type: 'datetime-local',
        value: coupon?.redeem_by?.slice(0, 16) ?? '',
      },
      ...(coupon
        ? [
            {
              name: 'status',
              label: 'Status',
              type: /** @type {const} */ ('select'),
              value: coupon.status,
              options: /** @type {Array<[string, string]>} */ ([
                ['active', 'can be granted'],
                ['retired', 'retired: it cannot be granted any more, who has it keeps it'],
              ]),
            },
          ]
        : []),
      ...REMARKS,
    ],
    outcome: recordOutcome(describe),
    command: ({ code = coupon?.code ?? '', reason, notes, ...values }) => ({
      method: 'PUT',
      path: `/coupons/${encodeURIComponent(code)}`,
      ...(coupon ? {} : { taken: `The coupon ${code} exists already.` }),
      body: { ...terms(values), ...filled({ reason, notes }) },
    }),
    ...(coupon
      ? {
          seen: snapshot(coupon),
          read: async () =>
            snapshot(/** @type {{ coupon: Coupon }} */ (await api.get(`/coupons/${coupon.code}`)).coupon),
        }
      : {}),
    done: 'Saved.',
  };
}

/** @param {import('../act.js').Values} values @returns {Record<string, unknown>} */
function terms({
  name,
  kind,
  percent,
  currency = '',
  duration,
  periods,
  plans = '',
  max_redemptions,
  redeem_by,
  status,
  ...values
}) {
  const codes = plans
    .split(',')
    .map((code) => code.trim())
    .filter(Boolean);
  const amount_cents = kind === 'amount' ? parseMoney(values['amount'] ?? '', currency) : null;
  if (kind === 'amount' && amount_cents === null)
    throw new Error('Write the amount like 5.00, and the currency as its code, like USD.');
  return {
    name,
    duration,
    ...(kind === 'amount' ? { amount_cents, currency } : { percent_basis_points: Math.round(Number(percent) * 100) }),
    ...(duration === 'periods' ? { periods: Number(periods) } : {}),
    ...(codes.length > 0 ? { plans: codes } : {}),
    ...(max_redemptions ? { max_redemptions: Number(max_redemptions) } : {}),
    ...(redeem_by ? { redeem_by: rfc3339(new Date(redeem_by + 'Z')) } : {}),
    ...(status ? { status } : {}),
  };
}
