//! The next scheduled step of each deployment, by time.

import * as api from '../api.js';
import { ACTION_NAMES, action, day, rfc3339, sentence } from '../format.js';
import { loadLifecycle } from '../lifecycle.js';
import { href } from '../router.js';
import { Filter, Filters, html, Money, More, opens, Page, useLoad, usePages } from '../ui.js';

/** @typedef {import('../api.js').Scheduled} Scheduled */

const HOUR_MS = 3_600_000;
const PAGE = 100;

/** @param {import('../main.js').PageProps} props */
export function Schedule({ session, query }) {
  const { days, action: name, tenant_id } = query;
  // The first answer of the API sets the clock that `before` uses.
  const clock = useLoad('clock', loadLifecycle);
  const waits = Boolean(days) && clock.data === null;
  // To the hour, so that the same view sends the same request.
  const before =
    days && !waits
      ? rfc3339(new Date(Math.ceil(api.now().getTime() / HOUR_MS) * HOUR_MS + Number(days) * 24 * HOUR_MS))
      : '';
  const pages = /** @type {import('../ui.js').Paged<Scheduled>} */ (
    usePages(
      '/schedule',
      'schedule',
      { before, action: name ?? '', tenant_id: session.admin ? (tenant_id ?? '') : '', limit: PAGE },
      waits,
    )
  );
  // Without the clock, a list would be of any time: it shows the clock's progress or error instead.
  const list = waits ? { ...pages, ...clock, items: [] } : pages;
  const any = Boolean(days || name || tenant_id);
  const dates = [...new Set(list.items.map(({ at }) => day(at)))];
  return html`
    <${Page} title="Schedule">
      <p class="lead">The next scheduled step of each deployment. All further steps are on the deployment's page.</p>
      <${Filters} any=${any} names=${['days', 'action', 'tenant_id']}>
        <${Filter} label="Within" name="days" value=${days} options=${[
          ['', 'Any time'],
          ['1', '24 hours'],
          ['7', '7 days'],
          ['30', '30 days'],
          ['90', '90 days'],
        ]} />
        <${Filter} label="Step" name="action" value=${name} options=${[['', 'Any'], ...ACTION_NAMES.map((each) => [each, action(each)])]} />
        ${session.admin && html`<${Filter} label="Tenant" name="tenant_id" value=${tenant_id} placeholder="acme" />`}
      <//>
      ${list.items.some((entry) => entry.action === 'renew') && html`<p class="muted small">≈ The amount of a renewal is its recurring price, an estimate.</p>`}
      ${
        list.items.length > 0 &&
        html`
        <table class="rows click" aria-busy=${list.loading}>
          <thead><tr>
              <th scope="col" class="time">Time</th>
              <th scope="col">Step</th>
              <th scope="col">Deployment</th>
              <th scope="col" class="num">Amount</th></tr></thead>
          ${dates.map(
            (date) => html`
            <tbody key=${date}>
              <tr class="group"><th scope="rowgroup" colspan="4">${date}</th></tr>
              ${list.items.filter(({ at }) => day(at) === date).map((entry) => html`<${Row} entry=${entry} admin=${session.admin} />`)}
            </tbody>`,
          )}
        </table>`
      }
      <${More} list=${list} one="step" empty=${`Nothing is scheduled${any ? ' that matches these filters' : ''}.`} />
    <//>`;
}

/** @param {{ entry: Scheduled, admin: boolean }} props */
export function Row({ entry, admin }) {
  const path = `deployments/${entry.deployment_id}`;
  return html`
    <tr onClick=${opens(path)}>
      <td class="time"><${Time} at=${entry.at} /></td>
      <td>${sentence(action(entry.action))}</td>
      <th scope="row"><a href=${href(path)}>${admin && html`<span class="muted w">${entry.tenant_id}/</span>`}${entry.slug}</a>${admin && html`<span class="sub n">${entry.tenant_id}</span>`}</th>
      <td class="num nowrap">${entry.amount_cents !== null && entry.currency ? html`${entry.action === 'renew' && html`<span class="muted" title="estimate">≈ </span>`}<${Money} cents=${entry.amount_cents} currency=${entry.currency} />` : html`<span class="muted">\u2013</span>`}</td>
    </tr>`;
}

/** @param {{ at: string }} props */
function Time({ at }) {
  return html`<time datetime=${at}>${at.slice(11, 16)}</time>`;
}
