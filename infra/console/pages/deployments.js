//! The list of deployments, by filters.

import { action, rfc3339, sentence, words } from '../format.js';
import { owed } from '../fields.js';
import { useAction } from '../act.js';
import { go, href } from '../router.js';
import { Chip, Filter, Filters, html, Moneys, More, opens, Page, usePages, When } from '../ui.js';
import { operate, selection } from './operate.js';

/** @typedef {import('../shapes.d.ts').DeploymentRow} DeploymentRow */

const STATES = ['trial', 'active', 'past_due', 'paused', 'suspended', 'cancelled', 'archived'];
const PAGE = 50;

/** @param {import('../main.js').PageProps} props */
export function Deployments({ session, query }) {
  const { state, slug, tenant_id, subscribed, billing_action_suspended, region, plan_code, plan_version } = query;
  const list = /** @type {import('../ui.js').Paged<DeploymentRow>} */ (
    usePages('/deployments', 'deployments', {
      state: state ?? '',
      slug: slug ?? '',
      subscribed: subscribed ?? '',
      billing_action_suspended: billing_action_suspended ?? '',
      region: region ?? '',
      plan_code: plan_code ?? '',
      plan_version: plan_code ? (plan_version ?? '') : '',
      tenant_id: session.admin ? (tenant_id ?? '') : '',
      include: 'amounts',
      limit: PAGE,
    })
  );
  const any = Boolean(state || slug || tenant_id || subscribed || billing_action_suspended || region || plan_code);
  const [act, dialog] = useAction();
  const selected = session.admin
    ? selection({ state, slug, tenant_id, subscribed, billing_action_suspended, region, plan_code, plan_version })
    : null;
  return html`
    <${Page} title="Deployments" actions=${html`${selected && html`<button type="button" onClick=${() => act(operate(selected))}>Command for all</button>`}<button type="button" class="primary" onClick=${() => act(creation(session.admin, tenant_id))}>New deployment</button>`}>
      <${Filters} any=${any} names=${['state', 'slug', 'tenant_id', 'subscribed', 'billing_action_suspended', 'region', 'plan_code', 'plan_version']}>
        <${Filter} label="State" name="state" value=${state} options=${[['', 'Any'], ...STATES.map((each) => [each, words(each)])]} />
        ${session.admin && html`<${Filter} label="Tenant" name="tenant_id" value=${tenant_id} placeholder="acme" />`}
        <${Filter} label="Plan" name="plan_code" value=${plan_code} placeholder="studio" />
        ${plan_code && html`<${Filter} label="Version" name="plan_version" value=${plan_version} type="number" placeholder="1" />`}
        <${Filter} label="Subscription" name="subscribed" value=${subscribed} options=${[
          ['', 'Any'],
          ['true', 'live'],
          ['false', 'none'],
        ]} />
        <${Filter} label="Held" name="billing_action_suspended" value=${billing_action_suspended} options=${[
          ['', 'Any'],
          ['true', 'yes'],
          ['false', 'no'],
        ]} />
        <${Filter} label="Region" name="region" value=${region} placeholder="eu-central" />
        <${Filter} label="Slug" name="slug" value=${slug} placeholder="shop" />
      <//>
      ${
        list.items.length > 0 &&
        html`
        <table class="rows click" aria-busy=${list.loading}>
          <thead><tr>
            <th scope="col">Deployment</th><th scope="col">State</th><th scope="col" class="w">Plan</th>
            <th scope="col" class="num">Owed</th>
                <th scope="col" class="num w">Balance</th>
                <th scope="col" class="w">Next step</th>
          </tr></thead>
          <tbody>${list.items.map((row) => html`<${Row} key=${row.id} row=${row} admin=${session.admin} />`)}</tbody>
        </table>`
      }
      <${More} list=${list} one="deployment" empty=${any ? 'No deployment matches these filters.' : 'There are no deployments yet.'} />
    <//>
    ${dialog(({ deployment, operation }) => go(deployment ? `deployments/${deployment.id}` : `operations/${operation.id}`))}`;
}

/** @param {{ row: DeploymentRow, admin: boolean }} props */
function Row({ row, admin }) {
  const path = `deployments/${row.id}`;
  const plan = row.subscription ? `${row.subscription.plan_code} v${row.subscription.plan_version}` : null;
  return html`
    <tr onClick=${opens(path)}>
      <th scope="row"><a href=${href(path)}>${admin && html`<span class="muted">${row.tenant_id}/</span>`}${row.slug}</a><span class="sub n">${plan ?? 'no plan'}</span></th>
      <td><${Chip} state=${row.state} />${(row.billing_action_suspended || row.tenant_held) && html` <span class="chip held">held</span>`}</td>
      <td class="w">${plan ? html`${plan}${row.subscription?.status === 'cancelled' && html` <span class="muted">ended</span>`}` : html`<span class="muted">\u2013</span>`}</td>
      <td class="num"><${Moneys} amounts=${owed(row)} /></td>
      <td class="num w"><${Moneys} amounts=${row.balances} /></td>
      <td class="w">${row.next_action ? html`${sentence(action(row.next_action))}, <${When} at=${row.next_action_at} />` : html`<span class="muted">\u2013</span>`}</td>
    </tr>`;
}

/**
 * @param {boolean} admin
 * @param {string | undefined} tenant
 * @returns {import('../act.js').Action}
 */
function creation(admin, tenant) {
  return {
    title: 'New deployment',
    verb: 'Create',
    what: 'Slug and tenant cannot be changed later; all other fields can.',
    fields: [
      ...(admin ? [{ name: 'tenant_id', label: 'Tenant', required: true, value: tenant ?? '' }] : []),
      {
        name: 'slug',
        label: 'Slug',
        required: true,
        pattern: '[a-z0-9\\-]+',
        hint: 'Its name in URLs: lower case letters, digits and hyphens.',
      },
      { name: 'display_name', label: 'Name' },
      { name: 'region', label: 'Region' },
      ...(admin
        ? [
            {
              name: 'trial_ends_at',
              label: 'Trial until (UTC)',
              type: /** @type {const} */ ('datetime-local'),
              hint: 'If empty, it begins as active.',
            },
          ]
        : []),
    ],
    command: ({ trial_ends_at, ...values }) => ({
      method: 'POST',
      path: '/deployments',
      body: {
        ...Object.fromEntries(Object.entries(values).filter(([, value]) => value)),
        ...(trial_ends_at ? { state: 'trial', trial_ends_at: rfc3339(new Date(trial_ends_at + 'Z')) } : {}),
      },
    }),
    done: 'The deployment is created.',
  };
}
