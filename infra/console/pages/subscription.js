//! A deployment's subscription: its terms, add-ons, what waits for the next invoice, and its commands.

import { useState } from '../vendor/hooks.js';
import * as api from '../api.js';
import { discount, money, moment, per, period, words } from '../format.js';
import { href } from '../router.js';
import { Chip, Empty, Facts, html, Money, Trouble, When } from '../ui.js';
import * as commands from './commands.js';
import { Lines } from './outcome.js';

/** @typedef {import('../shapes.d.ts').DeploymentDetails} Details */

/** @param {{ data: Details, admin: boolean, act: (action: import('../act.js').Action) => void }} props */
export function Subscription({ data, admin, act }) {
  const { deployment, subscription, next_invoices: next } = data;
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const live = subscription && subscription.status !== 'cancelled';
  const runs = subscription?.status === 'active';
  const subscribable = !live && ['trial', 'active', 'past_due'].includes(deployment.state);
  /** Loads the catalog when a command needs it. @param {(catalog: commands.Catalog) => import('../act.js').Action} make */
  const withCatalog = async (make) => {
    setError(null);
    try {
      const [plans, addons] = await Promise.all([
        /** @type {Promise<commands.Catalog['plans']>} */ (api.all('/plans', 'plans')),
        /** @type {Promise<commands.Catalog['addons']>} */ (api.all('/addons', 'addons')),
      ]);
      act(make({ plans, addons }));
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  };
  return html`
    <section aria-labelledby="subscription">
      <div class="head">
        <h2 id="subscription">Subscription ${subscription && html`<${Chip} state=${subscription.status === 'cancelled' ? 'ended' : subscription.status} />`}</h2>
        <div class="actions">
          ${subscribable && html`<button type="button" class="primary" onClick=${() => withCatalog((catalog) => commands.subscribe(deployment, catalog, admin))}>Subscribe</button>`}
          ${
            live &&
            html`
            ${runs && html`<button type="button" onClick=${() => withCatalog((catalog) => commands.changePlan(data, catalog, admin))}>Change the plan</button>`}
            ${
              admin &&
              // A discount in its last period can be replaced.
              (subscription.discount && subscription.discount.periods_left !== 0
                ? html`<button type="button" onClick=${() => act(commands.removeDiscount(deployment, subscription))}>Remove the discount</button>`
                : html`<button type="button" onClick=${() => act(commands.grantDiscount(deployment))}>Grant a discount</button>`)
            }
            ${
              subscription.cancel_at
                ? (admin || subscription.cancel_scheduled_by !== 'platform_admin') &&
                  html`<button type="button" onClick=${() => act(commands.withdrawCancellation(deployment))}>Withdraw the cancellation</button>`
                : html`<button type="button" class="danger" onClick=${() => act(commands.cancelSubscription(deployment, subscription))}>Cancel the subscription</button>`
            }`
          }
        </div>
      </div>
      ${error && html`<${Trouble} error=${error} />`}
      ${
        !subscription
          ? html`<${Empty}>There is no subscription.${!subscribable && ' It can be subscribed while it is in trial, active or past due.'}<//>`
          : html`
        <${Facts} of=${[
          ['Plan', html`<a href=${href('catalog')}>${subscription.plan_code}</a> v${subscription.plan_version}`],
          [
            'Price',
            subscription.recurring_cents === null
              ? null
              : `${money(subscription.recurring_cents, subscription.currency)} ${per(subscription.interval)}`,
          ],
          live && subscription.discount ? ['Discount', discount(subscription.discount)] : null,
          ['Period', period(subscription.current_period_start, subscription.current_period_end)],
          subscription.trial_ends_at ? ['Trial until', html`<${When} at=${subscription.trial_ends_at} />`] : null,
          live && subscription.cancel_at
            ? [
                'Ends',
                html`<${When} at=${subscription.cancel_at} /> <span class="muted">scheduled by ${words(subscription.cancel_scheduled_by ?? '')}</span>`,
              ]
            : null,
          subscription.ended_at ? ['Ended', html`<${When} at=${subscription.ended_at} />`] : null,
        ]} />
        ${
          live &&
          subscription.pending_change &&
          html`
          <div class="box">
            <p>Changes to <b>${subscription.pending_change.plan_code} v${subscription.pending_change.plan_version}</b>, ${money(subscription.pending_change.price_cents, subscription.pending_change.currency)} ${per(subscription.pending_change.interval)}, on ${moment(subscription.pending_change.effective_at)}; ${subscription.pending_change.effective_from ? 'a price change that the platform announced' : `scheduled by ${words(subscription.pending_change.scheduled_by)}`}.</p>
            ${(admin || subscription.pending_change.scheduled_by !== 'platform_admin') && html`<button type="button" class="small" onClick=${() => act(commands.withdrawChange(deployment))}>Withdraw it</button>`}
          </div>`
        }
        <div class="head"><h3>Add-ons</h3>${runs && html`<button type="button" class="small" onClick=${() => withCatalog((catalog) => commands.attach(deployment, subscription, catalog))}>Attach an add-on</button>`}</div>
        ${
          subscription.addons.length === 0
            ? html`<p class="muted">None.</p>`
            : html`
          <table class="rows">
            <thead class="hidden"><tr>
                <th scope="col">Add-on</th>
                <th scope="col">Attached</th>
                <th scope="col">Price</th>
                <td></td></tr></thead>
            <tbody>${subscription.addons.map(
              (addon) => html`
              <tr><th scope="row">${addon.name}<span class="sub">${addon.quantity.toLocaleString('en')} ${addon.unit}</span></th>
                <td class="w"><span class="muted">since</span> <${When} at=${addon.attached_at} bare=${true} /></td>
                <td class="num"><${Money} cents=${commands.addonPrice(addon, subscription.interval)} currency=${addon.currency} /></td>
                <td class="num">${runs && html`<button type="button" class="small" aria-label=${`Detach ${addon.name}`} onClick=${() => act(commands.detach(deployment, addon))}>Detach</button>`}</td>
              </tr>`,
            )}
            </tbody>
          </table>`
        }
        ${
          next.map(
            (invoice) => html`
          <h3>Next invoice, on <${When} at=${invoice.at} /></h3>
          <${Lines} lines=${invoice.lines} />
          ${invoice.due_cents !== invoice.total_cents && html`<p class="muted">Balance settles ${money(invoice.total_cents - invoice.due_cents, invoice.currency)} of it: ${money(invoice.due_cents, invoice.currency)} are due.</p>`}`,
          )
        }
        ${next.length === 0 && subscription.unbilled_lines.length > 0 && html`<h3>Waiting for the next invoice</h3><${Lines} lines=${subscription.unbilled_lines} />`}`
      }
    </section>`;
}
