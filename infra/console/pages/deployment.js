//! One deployment: its lifecycle, scheduled steps, subscription, invoices, resources and history.

import { useEffect, useState } from '../vendor/hooks.js';
import * as api from '../api.js';
import { useAction } from '../act.js';
import { deploymentFields, owed, subscriptionFields } from '../fields.js';
import { action, relative, sentence } from '../format.js';
import { LifecycleMap, loadLifecycle } from '../lifecycle.js';
import { Chip, Empty, Facts, html, Moneys, More, Page, Show, useLoad, usePages, When } from '../ui.js';
import * as commands from './commands.js';
import { History } from './history.js';
import { InvoiceTable } from './invoice_table.js';
import { outcome } from './outcome.js';
import { Subscription } from './subscription.js';

/** @typedef {import('../shapes.d.ts').DeploymentDetails} Details */
/** @typedef {import('../shapes.d.ts').Invoice} Invoice */
/** @typedef {import('../shapes.d.ts').Resource} Resource */
/** @typedef {(action: import('../act.js').Action) => void} Act */

/** @param {Details} details @returns {import('../act.js').Snapshot} */
export function snapshot({ deployment, subscription }) {
  return {
    version: deployment.version,
    fields: { ...deploymentFields(deployment), ...subscriptionFields(subscription) },
  };
}

/** @param {import('../main.js').PageProps} props */
export function Deployment({ session, params }) {
  const { id = '' } = params;
  const read = () => /** @type {Promise<Details>} */ (api.get(`/deployments/${id}`));
  const details = useLoad(id, read);
  const lifecycle = useLoad('lifecycle', loadLifecycle);
  const invoices = /** @type {import('../ui.js').Paged<Invoice>} */ (
    usePages(`/deployments/${id}/invoices`, 'invoices', { limit: 12 })
  );
  const [open, dialog] = useAction();
  const act = (/** @type {import('../act.js').Action} */ chosen) =>
    open({
      ...chosen,
      seen: snapshot(/** @type {Details} */ (details.data)),
      read: () => read().then(snapshot),
      outcome,
    });
  const readAgain = () => {
    void details.reload();
    invoices.reload();
  };
  useLive(session.local, id, readAgain);
  const data = details.data;
  const deployment = data?.deployment;
  return html`
    <${Page} title=${deployment ? (session.admin ? `${deployment.tenant_id}/${deployment.slug}` : deployment.slug) : 'Deployment'}
      head=${deployment && html`<${Chip} state=${deployment.state} />${deployment.billing_action_suspended && html` <span class="chip held">held</span>`}${deployment.tenant_held && html` <span class="chip held">tenant held</span>`}`}
      actions=${data && html`<${Actions} data=${data} admin=${session.admin} act=${act} />`}>
      <${Show} of=${details}>${(/** @type {Details} */ shown) => html`
        <${Body} data=${shown} admin=${session.admin} act=${act} lifecycle=${lifecycle} invoices=${invoices} />`}
      <//>
    <//>
    ${dialog(readAgain)}`;
}

/** How long events are collected before the page is read again: a commit has several. */
const GATHER_MS = 100;

/**
 * Reads the deployment again at each of its events, which the local program streams. Only while the tab is visible,
 * since a browser allows few connections to a server.
 * @param {boolean} local
 * @param {string} id
 * @param {() => void} readAgain
 */
function useLive(local, id, readAgain) {
  useEffect(() => {
    if (!local) return;
    let stop = new AbortController();
    let timer = 0;
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(readAgain, GATHER_MS);
    };
    const watch = () => {
      stop.abort();
      if (document.hidden) return;
      stop = new AbortController();
      void api.follow(({ data }) => (!data || data.deployment_id === id) && soon(), stop.signal);
    };
    const turn = () => {
      watch();
      if (!document.hidden) soon();
    };
    watch();
    document.addEventListener('visibilitychange', turn);
    return () => {
      document.removeEventListener('visibilitychange', turn);
      clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
}

/** @param {{ data: Details, admin: boolean, act: Act }} props */
function Actions({ data, admin, act }) {
  const { deployment } = data;
  return html`
    ${admin && html`<button type="button" onClick=${() => act(commands.hold(deployment))}>${deployment.billing_action_suspended ? 'Clear the hold' : 'Hold'}</button>`}
    ${admin && deployment.state === 'trial' && html`<button type="button" onClick=${() => act(commands.extendTrial(deployment))}>Move the trial's end</button>`}
    ${admin && deployment.state !== 'archived' && html`<button type="button" onClick=${() => act(commands.charge(data))}>Charge</button>`}
    ${admin && html`<button type="button" onClick=${() => act(commands.credit(data))}>Credit</button>`}
    ${admin && deployment.balances.length > 0 && html`<button type="button" onClick=${() => act(commands.refund(data))}>Refund</button>`}
    ${deployment.state !== 'archived' && html`<button type="button" onClick=${() => act(commands.edit(deployment))}>Edit</button>`}`;
}

/** @param {{ data: Details, admin: boolean, act: Act, lifecycle: import('../ui.js').Loaded<import('../shapes.d.ts').Lifecycle>, invoices: import('../ui.js').Paged<Invoice> }} props */
function Body({ data, admin, act, lifecycle, invoices }) {
  const { deployment, allowed_transitions: allowed } = data;
  return html`
    <${Facts} of=${[
      ['Name', deployment.display_name],
      ['Owed', html`<${Moneys} amounts=${owed(deployment)} />`],
      ['Balance', html`<${Moneys} amounts=${deployment.balances} />`],
      [
        'Next step',
        deployment.next_action
          ? html`${sentence(action(deployment.next_action))}, <${When} at=${deployment.next_action_at} />`
          : 'nothing',
      ],
    ]} />
    <section class="card where" aria-labelledby="where">
      <h2 id="where">Lifecycle</h2>
      <${Show} of=${lifecycle}>${(/** @type {import('../shapes.d.ts').Lifecycle} */ map) => html`
        <${LifecycleMap} lifecycle=${map} at=${deployment.state} allowed=${allowed} />
        <p class="muted">${map.states.find(({ state }) => state === deployment.state)?.description} Since <${When} at=${deployment.state_since} time=${true} bare=${true} /> (${relative(deployment.state_since, api.now())}).</p>`}
      <//>
      <div class="actions">
        ${allowed.map((to) => html`<button type="button" class=${['cancelled', 'archived'].includes(to) ? 'danger' : ''} onClick=${() => act(commands.transition(data, to))}>${commands.moveName(deployment.state, to)}</button>`)}
        ${allowed.length === 0 && html`<p class="muted">You cannot move it to another state.</p>`}
      </div>
    </section>
    <div class="columns">
      <div>
        <${Subscription} data=${data} admin=${admin} act=${act} />
        <section aria-labelledby="invoices">
          <h2 id="invoices">Invoices</h2>
          ${invoices.items.length > 0 && html`<${InvoiceTable} invoices=${invoices.items} act=${admin ? act : undefined} />`}
          <${More} list=${invoices} one="invoice" auto=${false} empty="No invoice was issued yet." />
        </section>
      </div>
      <div>
        <section aria-labelledby="upcoming">
          <h2 id="upcoming">Scheduled steps</h2>
          ${deployment.billing_action_suspended && html`<p class="muted">Held${deployment.billing_action_suspended_since && html` since <${When} at=${deployment.billing_action_suspended_since} bare=${true} /> (${relative(deployment.billing_action_suspended_since, api.now())})`}. No scheduled step changes its state; renewals and invoices continue.</p>`}
          ${deployment.tenant_held && html`<p class="muted">Its tenant is held. ${deployment.paused_by === 'tenant_hold' ? 'The hold paused it, and its release resumes it' : 'It cannot be resumed before the release'}; dunning continues.</p>`}
          ${deployment.paused_by === 'unsubscribed' && html`<p class="muted">It had no subscription for too long. Subscribing it resumes it.</p>`}
          ${
            (deployment.upcoming ?? []).length === 0
              ? html`<${Empty}>Nothing is scheduled.<//>`
              : html`<ol class="steps">${deployment.upcoming?.map((step) => html`<li><b>${sentence(action(step.action))}</b><${When} at=${step.at} time=${true} /></li>`)}</ol>`
          }
        </section>
        <section aria-labelledby="facts">
          <h2 id="facts">Facts</h2>
          <${Facts} of=${[
            admin && [
              'Tenant',
              html`<a href=${`#/deployments?tenant_id=${encodeURIComponent(deployment.tenant_id)}`}>${deployment.tenant_id}</a>`,
            ],
            ['Region', deployment.region],
            deployment.uncollectible_invoices > 0 && [
              'Given up',
              html`${deployment.uncollectible_invoices}, <${Moneys} amounts=${deployment.uncollectible_due} />`,
            ],
            deployment.trial_ends_at ? ['Trial ends', html`<${When} at=${deployment.trial_ends_at} />`] : null,
            deployment.resume_at ? ['Resumes', html`<${When} at=${deployment.resume_at} />`] : null,
            deployment.template_code
              ? ['Template', `${deployment.template_code} ${deployment.template_version ?? ''}`]
              : null,
            deployment.llm_mode ? ['Language model', deployment.llm_mode] : null,
            ['Created', html`<${When} at=${deployment.created_at} />`],
            ['Version', String(deployment.version)],
            ['Id', html`<code>${deployment.id}</code>`],
          ]} />
        </section>
        <${Resources} deployment=${deployment} admin=${admin} act=${act} />
      </div>
    </div>
    <${History} key=${deployment.version} id=${deployment.id} first=${data.events} />`;
}

/** Loaded when opened: most visits do not need them. @param {{ deployment: import('../shapes.d.ts').Deployment, admin: boolean, act: Act }} props */
function Resources({ deployment, admin, act }) {
  const [open, setOpen] = useState(false);
  const list = /** @type {import('../ui.js').Paged<Resource>} */ (
    usePages(`/deployments/${deployment.id}/resources`, 'resources', { limit: 50 }, !open)
  );
  return html`
    <section aria-labelledby="resources">
      <h2 id="resources">Resources <span class="muted">${deployment.live_resources} live</span></h2>
      <details key=${deployment.version} onToggle=${(/** @type {Event} */ event) => setOpen(/** @type {HTMLDetailsElement} */ (event.currentTarget).open)}>
        <summary>Show all that were recorded</summary>
        ${
          open &&
          html`
          ${
            list.items.length > 0 &&
            html`
            <table class="rows tight">
              <thead><tr><th scope="col">Kind</th><th scope="col">Reference</th>${admin && html`<td></td>`}</tr></thead>
              <tbody>${list.items.map(
                (each) => html`
                <tr><th scope="row">${each.kind}<span class="sub">${each.region}</span></th>
                  <td class="break">${each.provider_reference}${each.deleted_at && html`<span class="sub">deleted <${When} at=${each.deleted_at} /></span>`}</td>
                  ${admin && html`<td class="num">${!each.deleted_at && html`<button type="button" class="small" aria-label=${`Mark ${each.provider_reference} as deleted`} onClick=${() => act(commands.deleteResource(deployment, each))}>Deleted</button>`}</td>`}
                </tr>`,
              )}
              </tbody>
            </table>`
          }
          <${More} list=${list} one="resource" auto=${false} empty="No resource was recorded." />`
        }
      </details>
      ${admin && deployment.state !== 'archived' && html`<p><button type="button" class="small" onClick=${() => act(commands.recordResource(deployment))}>Record a resource</button></p>`}
    </section>`;
}
