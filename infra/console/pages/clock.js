//! The local program's test clock: advance it and see what that did.

import { useRef, useState } from '../vendor/hooks.js';
import * as api from '../api.js';
import { action, counted, moment, relative, rfc3339 } from '../format.js';
import { Empty, Facts, html, Page, Show, Trouble, useLoad, useSay } from '../ui.js';
import { Row } from './schedule.js';

/** @typedef {import('../api.js').Scheduled} Scheduled */
/** @typedef {{ due: number, steps: number, behind: number, postponed: number, unanswered: number, unfinished: boolean }} Sweep */
/** @typedef {{ from: string, now: string, sweep: Sweep }} Leapt */

const DAY_S = 86_400;
const PAGE = 100;
const SHOWN = 15;

/** @param {import('../main.js').PageProps} props */
export function Clock({ session }) {
  const read = async () => {
    const [{ now }, { schedule, next_cursor }] = await Promise.all([
      /** @type {Promise<{ now: string }>} */ (api.get('/local/clock')),
      /** @type {Promise<{ schedule: Scheduled[], next_cursor: string | null }>} */ (
        api.get('/schedule', { limit: PAGE })
      ),
    ]);
    return { now, schedule, more: next_cursor !== null || schedule.length > SHOWN };
  };
  const state = useLoad('clock', read);
  const [leapt, setLeapt] = useState(/** @type {Leapt & { fell: Scheduled[] } | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [running, setRunning] = useState(false);
  const say = useSay();
  const stop = useRef(false);
  /** A day at a time, so that each request is short and progress can be seen. @param {number} until */
  const advance = async (until) => {
    const from = state.data?.now ?? '';
    const scheduled = state.data?.schedule ?? [];
    setRunning(true);
    setError(null);
    stop.current = false;
    /** @type {Sweep | null} */
    let sweep = null;
    try {
      let now = from;
      do {
        const to = Math.min(Date.parse(now) + DAY_S * 1_000, until);
        const answer = /** @type {Leapt} */ (
          await api.send('POST', '/local/clock', { body: { now: rfc3339(new Date(to)) } })
        );
        now = answer.now;
        sweep = sweep ? added(sweep, answer.sweep) : answer.sweep;
        setLeapt({ from, now, sweep, fell: scheduled.filter(({ at }) => Date.parse(at) <= Date.parse(now)) });
      } while (Date.parse(now) < until && !stop.current);
      say(`It is ${moment(now)} now; ${counted(sweep?.steps ?? 0, 'step')} taken.`);
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    } finally {
      await state.reload();
      setRunning(false);
    }
  };
  const month = (/** @type {string} */ now) => {
    const at = new Date(now);
    at.setUTCMonth(at.getUTCMonth() + 1);
    return at.getTime();
  };
  return html`
    <${Page} title="Clock">
      <p class="lead">The test clock of this local program. Each step that becomes due on the way is taken at its own time. The clock cannot be turned back.</p>
      <${Show} of=${state}>${(
        /** @type {{ now: string, schedule: Scheduled[], more: boolean }} */ { now, schedule, more },
      ) => html`
        <div class="card clock">
          <p class="now"><time datetime=${now}>${moment(now)}</time> <span class="muted">UTC</span></p>
          <div class="actions">
            <button type="button" disabled=${running} onClick=${() => advance(Date.parse(now) + DAY_S * 1_000)}>Advance a day</button>
            <button type="button" disabled=${running} onClick=${() => advance(month(now))}>Advance a month</button>
            ${schedule[0] && html`<button type="button" disabled=${running} onClick=${() => advance(next(now, schedule[0]?.at ?? now))}>To the next step <span class="muted">${relative(schedule[0].at, new Date(now))}</span></button>`}
          </div>
        </div>
        ${running && html`<p role="status">${leapt ? `It is ${moment(leapt.now)}\u2026` : 'Loading\u2026'} <button type="button" class="small" onClick=${() => (stop.current = true)}>Stop</button></p>`}
        ${error && html`<${Trouble} error=${error} />`}
        ${leapt && html`<${Report} leapt=${leapt} />`}
        <section aria-labelledby="next">
          <h2 id="next">Next</h2>
          ${
            schedule.length === 0
              ? html`<${Empty}>Nothing is scheduled.<//>`
              : html`
            <table class="rows">
              <thead><tr>
                  <th scope="col" class="time">Time</th>
                  <th scope="col">Step</th>
                  <th scope="col">Deployment</th>
                  <th scope="col" class="num">Amount</th></tr></thead>
              <tbody>${schedule.slice(0, SHOWN).map(
                (entry, index) => html`
                ${
                  entry.at.slice(0, 10) !== schedule[index - 1]?.at.slice(0, 10) &&
                  html`<tr class="group">
                    <th scope="rowgroup" colspan="4">${moment(entry.at).split(',')[0]} <span class="rel">${relative(entry.at, new Date(now))}</span></th></tr>`
                }
                <${Row} entry=${entry} admin=${session.admin} />`,
              )}
              </tbody>
            </table>
            ${more && html`<p class="more"><a href="#/schedule">The whole schedule</a></p>`}`
          }
        </section>`}
      <//>
    <//>`;
}

/**
 * A time just after the next step, and never an earlier one than now.
 * @param {string} now
 * @param {string} at
 */
function next(now, at) {
  return Math.max(Date.parse(at), Date.parse(now)) + 1_000;
}

/** The combined report of two sweeps. @param {Sweep} one @param {Sweep} two @returns {Sweep} */
function added(one, two) {
  return {
    due: one.due + two.due,
    steps: one.steps + two.steps,
    behind: two.behind,
    postponed: one.postponed + two.postponed,
    unanswered: one.unanswered + two.unanswered,
    unfinished: two.unfinished,
  };
}

/** @param {{ leapt: Leapt & { fell: Scheduled[] } }} props */
function Report({ leapt: { from, now, sweep, fell } }) {
  const names = [...new Set(fell.map((entry) => entry.action))];
  return html`
    <section aria-labelledby="did" aria-live="polite">
      <h2 id="did">What the sweep did</h2>
      <${Facts} of=${[
        ['From', moment(from)],
        ['To', moment(now)],
        ['Deployments due', String(sweep.due)],
        ['Steps taken', String(sweep.steps)],
        ['Still behind', String(sweep.behind)],
        ['Postponed', String(sweep.postponed)],
        ['Without an answer', String(sweep.unanswered)],
        names.length > 0
          ? [
              'Of what was scheduled',
              names.map((name) => `${action(name)} ${fell.filter((entry) => entry.action === name).length}`).join(', '),
            ]
          : null,
        sweep.unfinished ? ['Unfinished', 'It stopped at its limit. Advance again.'] : null,
      ]} />
    </section>`;
}
