//! The history of the catalog: who changed which plan, add-on or coupon when. For `platform_admin`.

import { day, money, moment, per, percent, words } from '../format.js';
import { html, More } from '../ui.js';
import { Remarks } from './history.js';

/** @typedef {import('../shapes.d.ts').CatalogEvent} Event_ */

/** @param {{ list: import('../ui.js').Paged<Event_> }} props */
export function CatalogHistory({ list }) {
  return html`
    <section aria-labelledby="changes">
      <h2 id="changes">Changes</h2>
      <ol class="events">${list.items.map(
        (event) => html`
        <li key=${`${event.occurred_at} ${event.type} ${event.revision} ${describe(event)}`}>
          <time datetime=${event.occurred_at} title=${`Revision ${event.revision}`}>${moment(event.occurred_at)}</time>
          <div><p>${describe(event)}</p><${Remarks} of=${event} /></div>
          <span class="actor muted">${event.actor}</span>
        </li>`,
      )}</ol>
      <${More} list=${list} one="change" empty="Nothing was changed yet." auto=${false} />
    </section>`;
}

/** An event of the catalog, as a sentence. @param {Event_} event @returns {string} */
export function describe({ type, data }) {
  switch (type) {
    case 'plan_created':
      return `Plan ${data.plan.code} created`;
    case 'plan_updated':
      return `Plan ${data.to.code}: ${changed(data)}`;
    case 'plan_version_published': {
      const { plan_code, version, price_cents, currency, interval } = data.plan_version;
      const { replaced } = data;
      const instead = replaced
        ? `, which replaces version ${replaced.version} from ${day(replaced.effective_from ?? '')}`
        : '';
      return `Plan ${plan_code}: version ${version} published for ${money(price_cents, currency)} ${per(interval)}${instead}`;
    }
    case 'addon_created':
      return `Add-on ${data.addon.code} created for ${money(data.addon.price_cents, data.addon.currency)}`;
    case 'addon_updated':
      return `Add-on ${data.to.code}: ${changed(data)}`;
    case 'coupon_created':
      return `Coupon ${data.coupon.code} created`;
    case 'coupon_updated':
      return `Coupon ${data.to.code}: ${changed(data)}`;
  }
}

/** Fields that are not shown: those that every change moves, and the count of grants. */
const ALWAYS = ['revision', 'updated_at', 'redemptions'];

/** The fields that differ between two revisions. @param {{ from: object, to: object }} change */
function changed({ from, to }) {
  const [before, after] = [from, to].map((record) => /** @type {Record<string, unknown>} */ (record));
  const names = Object.keys({ ...before, ...after }).filter((name) => !ALWAYS.includes(name));
  return names
    .map((name) => ({ name, was: value(before, name), is: value(after, name) }))
    .filter(({ was, is }) => was !== is)
    .map(({ name, was, is }) => `${words(name.replace(/_(cents|basis_points)$/, ''))} ${was} \u2192 ${is}`)
    .join('; ');
}

/** A field of a record, as text. @param {Record<string, unknown> | undefined} record @param {string} name */
function value(record, name) {
  const is = record?.[name];
  const currency = String(record?.['currency'] ?? 'USD');
  if (is === null || is === undefined || (Array.isArray(is) && is.length === 0)) return 'none';
  if (Array.isArray(is)) return is.join(', ');
  if (typeof is === 'number' && name.endsWith('_cents')) return money(is, currency);
  if (typeof is === 'number' && name.endsWith('_basis_points')) return percent(is);
  if (typeof is !== 'object') return String(is);
  // Prices by interval.
  return Object.entries(is)
    .map(([interval, cents]) => `${money(Number(cents), currency)} ${per(interval)}`)
    .join(', ');
}
