//! A tenant: where its invoices go, its tax, its quota, its hold and its history; with forms to edit, hold and release
//! it.

import { useAction } from '../act.js';
import * as api from '../api.js';
import { counted, moment, percent, words } from '../format.js';
import { href } from '../router.js';
import { Empty, Facts, html, More, Show, usePages } from '../ui.js';
import { filled, REMARKS } from './commands.js';
import { Remarks } from './history.js';
import { recordOutcome } from './outcome.js';

/** @typedef {import('../shapes.d.ts').TenantRecord} Tenant */
/** @typedef {import('../shapes.d.ts').TenantEvent} Event_ */
/** @typedef {import('../fields.js').Fields} Fields */

const NONE = 'none';
const PAGE = 20;

/** @param {Tenant} tenant @returns {Fields} */
function tenantFields(tenant) {
  return {
    Name: tenant.name ?? NONE,
    'Billing address': tenant.billing_address ?? NONE,
    'E-mail': tenant.email ?? NONE,
    'Tax id': tenant.tax_id ?? NONE,
    'Tax rate': percent(tenant.tax_rate_basis_points),
    Quota: tenant.deployment_quota === null ? NONE : String(tenant.deployment_quota),
    'Days without a subscription': tenant.unsubscribed_after_days === null ? NONE : String(tenant.unsubscribed_after_days),
    Hold: tenant.hold?.reason ?? NONE,
  };
}

/** An empty field clears the value. @param {string | undefined} value */
const orNull = (value) => (value?.trim() ? value : null);

/** @param {string | undefined} value */
const wholeOrNull = (value) => (value?.trim() ? Number(value) : null);

/** @param {Tenant} tenant @param {boolean} admin @returns {import('../act.js').Action} */
function edit(tenant, admin) {
  const where = [
    {
      name: 'billing_address',
      label: 'Billing address',
      type: /** @type {const} */ ('textarea'),
      maxlength: 500,
      value: tenant.billing_address ?? '',
    },
    { name: 'email', label: 'E-mail', maxlength: 254, value: tenant.email ?? '' },
  ];
  const who = [
    { name: 'name', label: 'Name', maxlength: 200, value: tenant.name ?? '' },
    ...where,
    { name: 'tax_id', label: 'Tax id', maxlength: 64, value: tenant.tax_id ?? '' },
    {
      name: 'tax_rate_basis_points',
      label: 'Tax rate in basis points',
      type: /** @type {const} */ ('number'),
      required: true,
      value: String(tenant.tax_rate_basis_points),
      hint: '1900 is 19 percent. Invoices that are issued from now on have tax at this rate.',
    },
    {
      name: 'deployment_quota',
      label: 'Quota of live deployments',
      type: /** @type {const} */ ('number'),
      value: tenant.deployment_quota === null ? '' : String(tenant.deployment_quota),
      hint: 'Empty means no limit.',
    },
    {
      name: 'unsubscribed_after_days',
      label: 'Pause after days without a subscription',
      type: /** @type {const} */ ('number'),
      value: tenant.unsubscribed_after_days === null ? '' : String(tenant.unsubscribed_after_days),
      hint: 'Empty means never.',
    },
  ];
  return {
    title: `Edit ${tenant.tenant_id}`,
    verb: 'Save',
    fields: [...(admin ? who : where), ...REMARKS],
    outcome: recordOutcome(describe),
    command: ({
      reason,
      notes,
      name,
      billing_address,
      email,
      tax_id,
      tax_rate_basis_points,
      deployment_quota,
      unsubscribed_after_days,
    }) => ({
      method: 'PUT',
      path: `/tenants/${tenant.tenant_id}`,
      body: {
        ...filled({ reason, notes }),
        billing_address: orNull(billing_address),
        email: orNull(email),
        ...(admin
          ? {
              name: orNull(name),
              tax_id: orNull(tax_id),
              tax_rate_basis_points: Number(tax_rate_basis_points),
              deployment_quota: wholeOrNull(deployment_quota),
              unsubscribed_after_days: wholeOrNull(unsubscribed_after_days),
            }
          : {}),
      },
    }),
    done: 'Saved.',
  };
}

/** @param {Tenant} tenant @returns {import('../act.js').Action} */
function holdOrRelease(tenant) {
  const path = `/tenants/${tenant.tenant_id}/hold`;
  if (tenant.hold)
    return {
      title: `Release ${tenant.tenant_id}`,
      verb: 'Release',
      what: 'The deployments that the hold paused resume, within minutes; those that a caller had paused stay paused.',
      fields: REMARKS,
      outcome: recordOutcome(describe),
      command: (remarks) => ({ method: 'DELETE', path, body: filled(remarks) }),
      done: 'The tenant is released; an operation resumes its deployments.',
    };
  return {
    title: `Hold ${tenant.tenant_id}`,
    verb: 'Hold',
    what: 'Its active deployments are paused, within minutes, and none is created or resumed until the tenant is released, even if its invoices are paid.',
    fields: [
      { name: 'reason', label: 'Reason', required: true, maxlength: 200 },
      { name: 'notes', label: 'Notes', type: 'textarea', remark: true, maxlength: 2000 },
    ],
    outcome: recordOutcome(describe),
    command: (remarks) => ({ method: 'PUT', path, body: filled(remarks) }),
    done: 'The tenant is held; an operation pauses its deployments.',
  };
}

/** The hold of a tenant. @param {{ tenant: Tenant, admin: boolean }} props */
function Held({ tenant: { hold, operation_id }, admin }) {
  const copies = admin && operation_id;
  return html`${hold ? html`<span class="chip held">held</span> since ${moment(hold.since)}: ${hold.reason}` : NONE}${
    copies &&
    html`<span class="sub"><a href=${href(`operations/${operation_id}`)}>The operation that copies it</a></span>`
  }`;
}

/** @param {string} tenant_id @returns {Promise<Tenant>} */
export async function readTenant(tenant_id) {
  return /** @type {{ tenant: Tenant }} */ (await api.get(`/tenants/${tenant_id}`)).tenant;
}

/** @param {{ known: import('../ui.js').Loaded<Tenant>, admin: boolean, changed: () => void }} props */
export function Customer({ known, admin, changed }) {
  const [act, dialog] = useAction();
  const snapshot = (/** @type {Tenant} */ tenant) => ({ version: tenant.version, fields: tenantFields(tenant) });
  const begin = (/** @type {Tenant} */ tenant, /** @type {import('../act.js').Action} */ action) =>
    act({ ...action, seen: snapshot(tenant), read: () => readTenant(tenant.tenant_id).then(snapshot) });
  return html`
    <section aria-labelledby="customer">
      <h2 id="customer">Customer</h2>
      <${Show} of=${known}>${(/** @type {Tenant} */ tenant) => html`
        <${Facts} of=${[
          ['Name', tenant.name ?? NONE],
          [
            'Billing address',
            tenant.billing_address ? html`<span class="notes">${tenant.billing_address}</span>` : NONE,
          ],
          ['E-mail', tenant.email ?? NONE],
          ['Tax id', tenant.tax_id ?? NONE],
          ['Tax rate', percent(tenant.tax_rate_basis_points)],
          [
            'Live deployments',
            tenant.deployment_quota === null ? 'no limit' : `${tenant.live_deployments} of ${tenant.deployment_quota}`,
          ],
          tenant.unsubscribed_after_days !== null && [
            'Without a subscription',
            `paused after ${tenant.unsubscribed_after_days} days`,
          ],
          (tenant.hold ?? tenant.operation_id) !== null && ['Hold', html`<${Held} tenant=${tenant} admin=${admin} />`],
        ]} />
        <button type="button" class="small" onClick=${() => begin(tenant, edit(tenant, admin))}>Edit</button>
        ${admin && html` <button type="button" class="small" onClick=${() => begin(tenant, holdOrRelease(tenant))}>${tenant.hold ? 'Release' : 'Hold'}</button>`}`}<//>
    </section>
    ${dialog(changed)}`;
}

/** @param {{ tenant_id: string }} props */
export function TenantHistory({ tenant_id }) {
  const list = /** @type {import('../ui.js').Paged<Event_>} */ (
    usePages(`/tenants/${tenant_id}/events`, 'events', { limit: PAGE })
  );
  if (list.items.length === 0 && !list.loading && !list.error) return html`<${Empty}>Nothing was changed yet.<//>`;
  return html`
    <ol class="events">${list.items.map(
      (event) => html`
      <li key=${event.sequence}>
        <time datetime=${event.occurred_at} title=${`Event ${event.sequence}`}>${moment(event.occurred_at)}</time>
        <div><p>${describe(event)}</p><${Remarks} of=${event} /></div>
        <span class="actor muted">${event.actor}</span>
      </li>`,
    )}</ol>
    <${More} list=${list} one="event" empty="Nothing was changed yet." />`;
}

/** An event of a tenant, as a sentence. @param {Event_} event @returns {string} */
export function describe({ type, data }) {
  const changed = (/** @type {[string, unknown]} */ [name, change]) => {
    const to = change !== null && typeof change === 'object' && 'to' in change ? change.to : change;
    if (name === 'tax_rate_basis_points') return `tax rate ${percent(Number(to))}`;
    return `${words(name)} ${to === null ? 'cleared' : String(to)}`;
  };
  const isChange = (/** @type {[string, unknown]} */ [name]) => name !== 'operation_id';
  switch (type) {
    case 'updated':
      return `Changed: ${Object.entries(data).filter(isChange).map(changed).join('; ')}`;
    case 'dunning_policy_changed': {
      const before = /** @type {Record<string, number>} */ ({ ...data.from });
      const days = Object.entries(data.to).filter(([name, count]) => before[name] !== count);
      return `Dunning policy changed: ${days.map(([name, count]) => `${words(name.replace(/_days$/, ''))} ${counted(count, 'day')}`).join('; ')}`;
    }
    case 'held':
      return 'Held';
    case 'released':
      return 'Released';
  }
}
