//! The deployments that need a person besides what is overdue, for one reason or any, the longest first.

import { ATTENTION, sentence, words } from '../format.js';
import { href } from '../router.js';
import { Filter, Filters, html, More, opens, Page, usePages, When } from '../ui.js';

/** @typedef {import('../shapes.d.ts').AttentionEntry} AttentionEntry */

const PAGE = 50;

/** @param {import('../main.js').PageProps} props */
export function Attention({ query }) {
  const { kind = '' } = query;
  const list = /** @type {import('../ui.js').Paged<AttentionEntry>} */ (
    usePages('/attention', 'attention', { kind, limit: PAGE })
  );
  const reason = Object.entries(ATTENTION).find(([each]) => each === kind)?.[1];
  return html`
    <${Page} title="Needs a person">
      ${reason && html`<p class="lead">${sentence(reason)}.</p>`}
      <${Filters} any=${kind !== ''} names=${['kind']}>
        <${Filter} label="Reason" name="kind" value=${kind} options=${[['', 'Any'], ...Object.keys(ATTENTION).map((each) => [each, words(each)])]} />
      <//>
      ${
        list.items.length > 0 &&
        html`
        <table class="rows click" aria-busy=${list.loading}>
          <thead><tr>
            <th scope="col">Deployment</th>
            <th scope="col">Reason</th>
            <th scope="col">Since</th>
            <th scope="col" class="w">Until</th></tr></thead>
          <tbody>${list.items.map((entry) => html`<${Row} entry=${entry} />`)}</tbody>
        </table>`
      }
      <${More} list=${list} one="deployment" empty=${kind ? 'No deployment needs a person for this reason.' : 'No deployment needs a person.'} />
    <//>`;
}

/** @param {{ entry: AttentionEntry }} props a record that cannot be read has neither tenant nor slug */
function Row({ entry }) {
  const path = `deployments/${entry.deployment_id}`;
  return html`
    <tr onClick=${opens(path)}>
      <th scope="row"><a href=${href(path)}>${entry.tenant_id && html`<span class="muted w">${entry.tenant_id}/</span>`}${entry.slug ?? entry.deployment_id}</a><span class="sub n">${entry.tenant_id}</span></th>
      <td>${words(entry.kind)}</td>
      <td><${When} at=${entry.since} time=${true} /></td>
      <td class="w"><${When} at=${entry.until} time=${true} /></td>
    </tr>`;
}
