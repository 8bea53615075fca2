//! One operation on many deployments: how far it is, and its results.

import * as api from '../api.js';
import { useAction } from '../act.js';
import { counted, sentence, words } from '../format.js';
import { href } from '../router.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { Download, Facts, Filter, Filters, html, More, Page, Show, useLoad, usePages, When } from '../ui.js';
import { command, target } from './operations.js';

/** @typedef {import('../shapes.d.ts').Operation} Operation */
/** @typedef {import('../shapes.d.ts').OperationResult} Result */

const OUTCOMES = ['done', 'unchanged', 'refused'];
const PAGE = 50;
const LOOK_AGAIN_MS = 2_000;

/** @param {import('../main.js').PageProps} props */
export function Operation({ query, params }) {
  const path = `/operations/${params.operation_id}`;
  const loaded = useLoad(path, async () => /** @type {{ operation: Operation }} */ (await api.get(path)).operation);
  const { outcome = 'refused' } = query;
  const of = outcome === 'any' ? '' : outcome;
  const [act, dialog] = useAction();
  const operation = loaded.data;
  const runs = operation !== null && ['running', 'stopping'].includes(operation.status);
  const results = /** @type {import('../ui.js').Paged<Result>} */ (
    usePages(`${path}/results`, 'results', { outcome: of, limit: PAGE })
  );
  useEffect(() => {
    if (!runs) return;
    const timer = setTimeout(() => void loaded.reload(), LOOK_AGAIN_MS);
    return () => clearTimeout(timer);
  });
  // Results come at any place of the list, which is by deployment. It is read again when its end lacks some, and when
  // the operation has ended.
  const ran = useRef(false);
  useEffect(() => {
    if (!operation) return;
    const hasEnded = ran.current && !runs;
    ran.current = runs;
    const isRead = !results.more && !results.loading;
    if (hasEnded || (isRead && results_of(operation, outcome) > results.items.length)) results.reload();
  }, [operation]);
  const actions = html`
    <${Download} path=${`${path}/results`} query=${{ outcome: of }} file="results.csv" />
    ${operation?.status === 'running' && html`<button type="button" onClick=${() => act(stopping(operation))}>Stop</button>`}`;
  return html`
    <${Page} title=${operation ? command(operation) : 'Operation'} actions=${actions}>
      <${Show} of=${loaded}>${(/** @type {Operation} */ data) => html`<${Progress} operation=${data} />`}<//>
      <h2>Results</h2>
      <${Filters} any=${outcome !== 'refused'} names=${['outcome']}>
        <${Filter} label="Outcome" name="outcome" value=${outcome} options=${[['any', 'Any'], ...OUTCOMES.map((each) => [each, words(each)])]} />
      <//>
      ${
        results.items.length > 0 &&
        html`
        <table class="rows" aria-busy=${results.loading}>
          <thead><tr>
            <th scope="col">Deployment</th>
            <th scope="col">Outcome</th>
            <th scope="col">Problem</th></tr></thead>
          <tbody>${results.items.map((result) => html`<${Row} key=${result.deployment_id} result=${result} />`)}</tbody>
        </table>`
      }
      <${More} list=${results} one="result" empty=${outcome === 'refused' ? 'No deployment was refused.' : 'There are no such results yet.'} />
      ${dialog(() => void loaded.reload())}
    <//>`;
}

/** How many results of an outcome there are. @param {Operation} operation @param {string} outcome */
function results_of({ counts }, outcome) {
  const { done, unchanged, refused } = counts;
  if (outcome === 'done') return done;
  if (outcome === 'unchanged') return unchanged;
  return outcome === 'refused' ? refused : done + unchanged + refused;
}

/** @param {{ operation: Operation }} props */
function Progress({ operation }) {
  const { status, counts, remaining, matching, progress, reason, notes, started_by, started_at, stopped_by, ended_at } =
    operation;
  const results = results_of(operation, 'any');
  const about = { exact: '', at_least: 'at least ', at_most: 'at most ' }[matching.is];
  return html`
    <p class="lead">For ${target(operation)}. ${sentence(words(status))}.</p>
    <p><label><span class="hidden">Progress</span><progress value=${results} max=${Math.max(results + remaining, 1)}></progress></label>
      ${` ${counted(results, 'result')}, about ${remaining} left`}</p>
    <${Facts} of=${[
      ['Done', counts.done],
      ['Unchanged', counts.unchanged],
      ['Refused', counts.refused],
      ['Matched at the start', `${about}${matching.count}`],
      ['Rate', `${operation.rate_per_second} a second`],
      ['Pass', progress.pass],
      progress.unanswered > 0 && ['Without an answer, tried again', progress.unanswered],
      reason && ['Reason', reason],
      notes && ['Notes', notes],
      ['Started', html`<${When} at=${started_at} time=${true} /> by ${started_by}`],
      stopped_by && ['Stopped by', stopped_by],
      ended_at && ['Ended', html`<${When} at=${ended_at} time=${true} />`],
    ]} />`;
}

/** @param {{ result: Result }} props */
function Row({ result }) {
  const { deployment_id, tenant_id, slug, outcome, problem } = result;
  const name = slug ? html`<span class="muted w">${tenant_id}/</span>${slug}` : deployment_id;
  return html`
    <tr>
      <th scope="row">${slug ? html`<a href=${href(`deployments/${deployment_id}`)}>${name}</a>` : name}</th>
      <td>${words(outcome)}</td>
      <td>${problem ? html`${problem.detail} <code>${problem.code}</code>` : html`<span class="muted">\u2013</span>`}</td>
    </tr>`;
}

/** @param {Operation} operation @returns {import('../act.js').Action} */
function stopping({ id }) {
  return {
    title: 'Stop the operation',
    verb: 'Stop',
    danger: true,
    what: 'The deployments of the page in progress still get their results. All later ones stay as they are. A stopped operation cannot be continued.',
    command: () => ({ method: 'POST', path: `/operations/${id}/stop`, body: {} }),
    done: 'The operation stops.',
  };
}
