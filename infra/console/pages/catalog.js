//! The catalog: plans with their versions, add-ons, and for the platform coupons.

import { useState } from '../vendor/hooks.js';
import * as api from '../api.js';
import { Changes, useAction } from '../act.js';
import { differences } from '../fields.js';
import { amount, counted, money, parseMoney, per, rfc3339, words } from '../format.js';
import { href } from '../router.js';
import { Chip, html, Money, More, Page, useLoad, usePages, When } from '../ui.js';
import { CatalogHistory, describe } from './catalog_history.js';
import { filled, REMARKS } from './commands.js';
import { Coupons } from './coupons.js';
import { Outcome } from './operate.js';
import { recordOutcome } from './outcome.js';

/** @typedef {import('../shapes.d.ts').Plan} Plan */
/** @typedef {import('../shapes.d.ts').Addon} Addon */
/** @typedef {import('../shapes.d.ts').PlanVersion} PlanVersion */
/** @typedef {import('../act.js').Action} Action */

/** @type {Array<[string, string]>} */
const INTERVALS = [
  ['month', 'month'],
  ['quarter', 'quarter'],
  ['half_year', 'half year'],
  ['year', 'year'],
];
const CODE = '[a-z0-9_]+';

/** @param {import('../main.js').PageProps} props */
export function Catalog({ session }) {
  const plans = /** @type {import('../ui.js').Paged<Plan>} */ (usePages('/plans', 'plans', { limit: 100 }));
  const addons = /** @type {import('../ui.js').Paged<Addon>} */ (usePages('/addons', 'addons', { limit: 100 }));
  const changes = /** @type {import('../ui.js').Paged<import('../shapes.d.ts').CatalogEvent>} */ (
    usePages('/catalog/events', 'events', { limit: 20 }, !session.admin)
  );
  // Only the platform sees how many subscriptions each version has.
  const figures = useLoad('figures', () =>
    session.admin
      ? /** @type {Promise<{ summary: import('../shapes.d.ts').Summary }>} */ (api.get('/summary'))
      : Promise.resolve(null),
  );
  const counts = figures.data?.summary.subscriptions_by_plan ?? null;
  const [act, dialog] = useAction();
  return html`
    <${Page} title="Catalog" actions=${session.admin && html`<button type="button" onClick=${() => act(newPlan())}>New plan</button><button type="button" onClick=${() => act(putAddon(null))}>New add-on</button>`}>
      <section aria-labelledby="plans">
        <h2 id="plans">Plans</h2>
        ${
          plans.items.length > 0 &&
          html`
          <table class="rows plans">
            <thead><tr>
                <th scope="col">Plan</th>
                <th scope="col">Status</th>
                <th scope="col" class="num">Newest price</th>
                <th scope="col" class="w">Trial</th>
                <th scope="col" class="w">Published</th>${session.admin && html`<td class="w"></td>`}</tr></thead>
            ${plans.items.map((plan) => html`<${PlanRows} key=${`${plan.code} ${plan.revision}`} plan=${plan} admin=${session.admin} act=${act} counts=${counts} />`)}
          </table>`
        }
        <${More} list=${plans} one="plan" empty="No plan was published yet." />
      </section>
      <section aria-labelledby="addons">
        <h2 id="addons">Add-ons</h2>
        ${
          addons.items.length > 0 &&
          html`
          <table class="rows">
            <thead><tr>
                <th scope="col">Add-on</th>
                <th scope="col">Status</th>
                <th scope="col" class="num">Price of an interval</th>
                <th scope="col" class="w">Grants</th>${session.admin && html`<td></td>`}</tr></thead>
            <tbody>${addons.items.map(
              (addon) => html`
              <tr><th scope="row">${addon.name}<span class="sub">${addon.code}</span></th>
                <td><${Chip} state=${addon.status === 'active' ? 'on_sale' : 'retired'} /></td>
                <td class="num"><${Money} cents=${addon.price_cents} currency=${addon.currency} />${Object.entries(addon.interval_prices ?? {}).map(([interval, cents]) => html`<span class="sub">${amount(cents, addon.currency)} ${per(interval)}</span>`)}</td>
                <td class="w">${addon.quantity.toLocaleString('en')} ${addon.unit}</td>
                ${session.admin && html`<td class="num"><button type="button" class="small" aria-label=${`Edit ${addon.name}`} onClick=${() => act(putAddon(addon))}>Edit</button></td>`}
              </tr>`,
            )}
            </tbody>
          </table>`
        }
        <${More} list=${addons} one="add-on" empty="There are no add-ons yet." />
      </section>
      ${session.admin && html`<${Coupons} changed=${changes.reload} /><${CatalogHistory} list=${changes} />`}
    <//>
    ${dialog(() => {
      plans.reload();
      addons.reload();
      changes.reload();
    })}`;
}

/** @typedef {import('../shapes.d.ts').PlanCount[] | null} Counts how many live subscriptions each version has, if that is known */

/** @param {{ plan: Plan, admin: boolean, act: (action: Action) => void, counts: Counts }} props */
function PlanRows({ plan, admin, act, counts }) {
  const newest = plan.newest_version;
  const [open, setOpen] = useState(false);
  const buttons =
    admin &&
    html`
    <button type="button" class="small" aria-label=${`Publish a version of ${plan.name}`} onClick=${() => act(publish(plan))}>Publish</button>
    <button type="button" class="small" aria-label=${`Edit ${plan.name}`} onClick=${() => act(editPlan(plan))}>Edit</button>`;
  return html`
    <tbody>
      <tr>
        <th scope="row">${plan.name}<span class="sub">${plan.code}${newest && html`, <button type="button" class="link" aria-expanded=${open} onClick=${() => setOpen(!open)}>${counted(newest.version, 'version')}<span class="hidden"> of ${plan.name}</span></button>`}<${Subscriptions} plan=${plan} counts=${counts} /></span></th>
        <td><${Chip} state=${plan.status === 'active' ? 'on_sale' : 'retired'} /></td>
        <td class="num">${newest ? html`<${Money} cents=${newest.price_cents} currency=${newest.currency} /><span class="sub">${per(newest.interval)}</span>` : html`<span class="muted">not published</span>`}</td>
        <td class="w">${newest?.trial_days ? counted(newest.trial_days, 'day') : html`<span class="muted">\u2013</span>`}</td>
        <td class="w"><${When} at=${newest?.published_at} bare=${true} /></td>
        ${admin && html`<td class="num w nowrap">${buttons}</td>`}
      </tr>
      ${open && html`<${Versions} plan=${plan} admin=${admin} counts=${counts} />`}
      ${admin && html`<tr class="n buttons"><td colspan="3"><div class="actions">${buttons}</div></td></tr>`}
    </tbody>`;
}

/** The number of subscriptions of a plan, or of one of its versions. @param {{ plan: Plan, counts: Counts, version?: number }} props */
function Subscriptions({ plan, counts, version }) {
  if (!counts) return null;
  const of = counts.filter(
    (each) => each.plan_code === plan.code && (version === undefined || each.plan_version === version),
  );
  const count = of.reduce((sum, each) => sum + each.count, 0);
  const to = href('deployments', {
    plan_code: plan.code,
    plan_version: version === undefined ? null : String(version),
  });
  return html`, ${count ? html`<a href=${to}>${counted(count, 'subscription')}</a>` : 'no subscriptions'}`;
}

/** @param {{ plan: Plan, admin: boolean, counts: Counts }} props */
function Versions({ plan, admin, counts }) {
  const list = /** @type {import('../ui.js').Paged<PlanVersion>} */ (
    usePages(`/plans/${plan.code}`, 'versions', { limit: 50 })
  );
  return html`
    ${list.items.map(
      (each) => html`
      <tr class="version">
        <th scope="row">version ${each.version}<${Subscriptions} plan=${plan} counts=${counts} version=${each.version} />${each.replaced_by && html`<span class="sub">version ${each.replaced_by} from <${When} at=${each.effective_from} bare=${true} /></span>`}</th>
        <td><${Chip} state=${each.status ?? 'offered'} /></td>
        <td class="num"><${Money} cents=${each.price_cents} currency=${each.currency} /><span class="sub">${per(each.interval)}</span></td>
        <td class="w">${each.trial_days ? counted(each.trial_days, 'day') : html`<span class="muted">\u2013</span>`}</td>
        <td class="w"><${When} at=${each.published_at} bare=${true} /></td>${admin && html`<td class="w"></td>`}
      </tr>`,
    )}
    ${(list.loading || list.more || list.error) && html`<tr class="version"><td colspan="6"><${More} list=${list} one="version" empty="" auto=${false} /></td></tr>`}`;
}

/** @param {{ price_cents: number, currency: string, interval: string, trial_days: number } | null} terms */
function termFields(terms) {
  return terms
    ? {
        Price: money(terms.price_cents, terms.currency),
        Interval: words(terms.interval),
        Trial: counted(terms.trial_days, 'day'),
      }
    : { Price: 'none', Interval: 'none', Trial: 'none' };
}

/** @param {string} text @param {string} currency */
function price(text, currency) {
  const cents = /^[A-Z]{3}$/.test(currency) ? parseMoney(text, currency) : null;
  if (cents === null) throw new Error('Write the price like 29.00, and the currency as its code, like USD.');
  return cents;
}

/** @param {Plan} plan @returns {Action} */
function publish(plan) {
  const newest = plan.newest_version;
  const version = (newest?.version ?? 0) + 1;
  const terms = (/** @type {import('../act.js').Values} */ values) => ({
    price_cents: price(values['price'] ?? '', values['currency'] ?? ''),
    currency: values['currency'] ?? '',
    interval: values['interval'] ?? 'month',
    trial_days: Number(values['trial_days'] || 0),
  });
  const replacement = (/** @type {import('../act.js').Values} */ values) =>
    values['replaces']
      ? { replaces: Number(values['replaces']), effective_from: rfc3339(new Date(`${values['effective_from']}Z`)) }
      : {};
  return {
    title: `Publish version ${version} of ${plan.name}`,
    verb: `Publish version ${version}`,
    what: 'A published version cannot be changed, only followed by another. New subscriptions get the newest version. Existing subscriptions keep theirs, unless this one replaces it: then the old version is closed, the new price is announced to each of its subscriptions, and each changes with its first period from the day on.',
    fields: [
      {
        name: 'price',
        label: 'Price',
        required: true,
        value: newest ? amount(newest.price_cents, newest.currency) : '',
      },
      {
        name: 'currency',
        label: 'Currency',
        required: true,
        pattern: '[A-Z]{3}',
        maxlength: 3,
        value: newest?.currency ?? 'USD',
      },
      { name: 'interval', label: 'Interval', type: 'select', options: INTERVALS, value: newest?.interval ?? 'month' },
      {
        name: 'trial_days',
        label: 'Days of trial',
        type: 'number',
        required: true,
        value: String(newest?.trial_days ?? 0),
      },
      {
        name: 'replaces',
        label: 'Replaces version',
        type: 'select',
        options: [
          ['', 'none: earlier subscriptions keep their price'],
          ...Array.from({ length: newest?.version ?? 0 }, (_, n) => /** @type {[string, string]} */ ([String(n + 1), `version ${n + 1}`])).reverse(),
        ],
        value: '',
      },
      {
        name: 'effective_from',
        label: 'The new price applies from (UTC)',
        type: 'datetime-local',
        required: true,
        when: (values) => Boolean(values['replaces']),
        value: '',
      },
      ...REMARKS,
    ],
    dryRunInBody: true,
    outcome: ({ plan_version, matching, preview }) => html`
      <${Changes} of=${differences(termFields(newest), termFields(plan_version))} />
      ${matching && html`<${Outcome} answer=${{ matching, preview }} />`}`,
    command: (values) => ({
      method: 'POST',
      path: `/plans/${plan.code}/versions`,
      body: { ...terms(values), ...replacement(values), ...filled({ reason: values['reason'], notes: values['notes'] }) },
    }),
    ...current(`/plans/${plan.code}`, 'plan', plan, planFields),
    done: `Version ${version} is published.`,
  };
}

/**
 * The record that the page shows, and how to read it again.
 * @template {{ revision: number }} T
 * @param {string} path
 * @param {string} member
 * @param {T} record
 * @param {(record: T) => import('../fields.js').Fields} fields
 */
function current(path, member, record, fields) {
  const snapshot = (/** @type {T} */ each) => ({ version: each.revision, fields: fields(each) });
  return { seen: snapshot(record), read: async () => snapshot(/** @type {any} */ (await api.get(path))[member]) };
}

/** @param {Plan} plan @returns {import('../fields.js').Fields} */
const planFields = (plan) => ({
  Name: plan.name,
  Status: plan.status,
  'Newest version': String(plan.newest_version?.version ?? 'none'),
  ...termFields(plan.newest_version),
});

/** @param {Addon} addon @returns {import('../fields.js').Fields} */
const addonFields = (addon) => ({
  Name: addon.name,
  Status: addon.status,
  Price: money(addon.price_cents, addon.currency),
  Grants: `${addon.quantity} ${addon.unit}`,
});

/** @type {import('../act.js').Field} */
const STATUS = {
  name: 'status',
  label: 'Status',
  type: 'select',
  options: [
    ['active', 'on sale'],
    ['retired', 'retired: cannot be newly bought; existing subscriptions keep it'],
  ],
};

/** @returns {Action} */
function newPlan() {
  return {
    title: 'New plan',
    verb: 'Create',
    what: 'A plan can be bought once it has a published version.',
    fields: [
      {
        name: 'code',
        label: 'Code',
        required: true,
        pattern: CODE,
        hint: 'Lower case letters, digits and underscores. It cannot be changed later.',
      },
      { name: 'name', label: 'Name', required: true },
      ...REMARKS,
    ],
    outcome: recordOutcome(describe),
    command: ({ code = '', ...values }) => ({
      method: 'PUT',
      path: `/plans/${encodeURIComponent(code)}`,
      body: filled(values),
      taken: `The plan ${code} exists already.`,
    }),
    done: 'The plan is created.',
  };
}

/** @param {Plan} plan @returns {Action} */
function editPlan(plan) {
  return {
    title: `Edit ${plan.name}`,
    verb: 'Save',
    fields: [
      { name: 'name', label: 'Name', required: true, value: plan.name },
      { ...STATUS, value: plan.status },
      ...REMARKS,
    ],
    outcome: recordOutcome(describe),
    command: (values) => ({ method: 'PUT', path: `/plans/${plan.code}`, body: filled(values) }),
    ...current(`/plans/${plan.code}`, 'plan', plan, planFields),
    done: 'Saved.',
  };
}

/** @param {Addon | null} addon @returns {Action} */
function putAddon(addon) {
  return {
    title: addon ? `Edit ${addon.name}` : 'New add-on',
    verb: addon ? 'Save' : 'Create',
    what: 'A subscription copies the price when the add-on is attached, so a new price does not change existing subscriptions.',
    fields: [
      ...(addon
        ? []
        : [
            {
              name: 'code',
              label: 'Code',
              required: true,
              pattern: CODE,
              hint: 'Lower case letters, digits and underscores. It cannot be changed later.',
            },
          ]),
      { name: 'name', label: 'Name', required: true, value: addon?.name ?? '' },
      {
        name: 'price',
        label: 'Price of an interval',
        required: true,
        value: addon ? amount(addon.price_cents, addon.currency) : '',
      },
      {
        name: 'currency',
        label: 'Currency',
        required: true,
        pattern: '[A-Z]{3}',
        maxlength: 3,
        value: addon?.currency ?? 'USD',
      },
      ...INTERVALS.slice(1).map(([interval, name]) => ({
        name: interval,
        label: `Another price of a ${name}`,
        value:
          addon?.interval_prices?.[interval] === undefined
            ? ''
            : amount(addon.interval_prices[interval] ?? 0, addon.currency),
      })),
      { name: 'quantity', label: 'Quantity', type: 'number', required: true, value: String(addon?.quantity ?? 1) },
      { name: 'unit', label: 'Unit', required: true, value: addon?.unit ?? '', hint: 'Such as GB or seats.' },
      ...(addon ? [{ ...STATUS, value: addon.status }] : []),
      ...REMARKS,
    ],
    outcome: recordOutcome(describe),
    command: ({ code = addon?.code ?? '', name, currency = '', quantity, unit, status, reason, notes, ...values }) => {
      const prices = Object.fromEntries([
        ...Object.entries(addon?.interval_prices ?? {}).filter(([interval]) => interval === 'month'),
        ...INTERVALS.slice(1).flatMap(([interval]) =>
          values[interval] ? [[interval, price(values[interval], currency)]] : [],
        ),
      ]);
      return {
        method: 'PUT',
        path: `/addons/${encodeURIComponent(code)}`,
        ...(addon ? {} : { taken: `The add-on ${code} exists already.` }),
        body: {
          name,
          currency,
          unit,
          quantity: Number(quantity),
          price_cents: price(values['price'] ?? '', currency),
          ...filled({ status, reason, notes }),
          ...(Object.keys(prices).length ? { interval_prices: prices } : {}),
        },
      };
    },
    ...(addon ? current(`/addons/${addon.code}`, 'addon', addon, addonFields) : {}),
    done: 'Saved.',
  };
}
