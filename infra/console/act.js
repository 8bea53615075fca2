//! A command in a dialog: its fields, its dry run if it is one on a deployment, then the command itself with `If-Match` and
//! an `Idempotency-Key`. A conflict is shown as what changed meanwhile.

import { useEffect, useId, useRef, useState } from './vendor/hooks.js';
import { Problem, send } from './api.js';
import { differences } from './fields.js';
import { html, Trouble, useSay } from './ui.js';

/** @typedef {import('./vendor/preact.js').Child} Child */
/** @typedef {import('./fields.js').Fields} Fields */
/** @typedef {Record<string, string>} Values all fields as text; a checkbox is 'yes' or '' */
/** @typedef {{ version: number, fields: Fields }} Snapshot */
/**
 * @typedef {object} Command
 * @property {string} method
 * @property {string} path
 * @property {Record<string, unknown>} [body]
 * @property {string} [taken] the command creates a record and never changes one; the refusal if the record exists
 */
/** @typedef {{ answer: any, running: boolean, incomplete: boolean, failure: Problem | null }} Run `failure`: why there is no answer */
/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string | ((values: Values) => string)} label
 * @property {'text' | 'textarea' | 'select' | 'checkbox' | 'datetime-local' | 'number'} [type]
 * @property {Array<[string, string]>} [options]
 * @property {string} [value]
 * @property {string} [hint]
 * @property {boolean} [required]
 * @property {string} [pattern]
 * @property {number} [maxlength]
 * @property {boolean} [remark] does not affect the outcome, so the dry run stays valid
 * @property {(values: Values) => boolean} [when] the condition to show it
 */
/**
 * @typedef {object} Action
 * @property {string} title
 * @property {string} verb the text of the confirming button
 * @property {Child} [what] its effect, in a sentence
 * @property {boolean} [danger]
 * @property {Field[]} [fields]
 * @property {(values: Values) => Command} command throws an Error with a sentence if the values are invalid
 * @property {(answer: any, before: Fields) => Child} [outcome] shows the answer to the dry run; only commands on deployments have one
 * @property {boolean} [dryRunInBody] the body requests the dry run, not the query
 * @property {(values: Values) => Child} [preview] a preview that needs no request
 * @property {Snapshot} [seen] the record that the page shows
 * @property {() => Promise<Snapshot>} [read] reads the current record
 * @property {string} done the message after success
 */

const DRY_RUN_DELAY_MS = 250;
/** @type {Run} */
const NOT_RUN = { answer: null, running: false, incomplete: false, failure: null };

/** An `Idempotency-Key`. `crypto.randomUUID` is missing on pages of plain http. */
function freshKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Sends a command or its dry run.
 * @param {Command} command
 * @param {import('./api.js').Options} options
 */
async function give({ method, path, taken }, options) {
  try {
    // A record that does not exist has version 0.
    return await send(method, path, taken === undefined ? options : { ...options, version: 0 });
  } catch (error) {
    if (taken === undefined || !(error instanceof Problem && error.status === 412)) throw error;
    throw new Problem(error.status, error.code, taken, error.body);
  }
}

/**
 * Keeps the dialog of a page. `after` gets the command's answer, and null when the dialog was closed after a conflict.
 * @returns {[(action: Action) => void, (after: (answer: any) => void) => Child]}
 */
export function useAction() {
  const [action, set] = useState(/** @type {Action | null} */ (null));
  return [
    set,
    (after) =>
      action && html`<${Dialog} key=${action.title} action=${action} after=${after} close=${() => set(null)} />`,
  ];
}

/** @param {{ action: Action, after: (answer: any) => void, close: () => void }} props */
function Dialog({ action, after, close }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const id = useId();
  const say = useSay();
  const fields = action.fields ?? [];
  const [values, setValues] = useState(
    () => /** @type {Values} */ (Object.fromEntries(fields.map((field) => [field.name, field.value ?? '']))),
  );
  const [seen, setSeen] = useState(action.seen ?? null);
  const [run, setRun] = useState({ ...NOT_RUN, running: Boolean(action.outcome) });
  const [attempt, setAttempt] = useState(1);
  const [problem, setProblem] = useState(/** @type {Error | null} */ (null));
  const [meanwhile, setMeanwhile] = useState(
    /** @type {Array<{ name: string, was: string, is: string }> | null} */ (null),
  );
  const [sending, setSending] = useState(false);
  const sent = useRef(false);
  // One key for each command, so that a command repeated after a lost answer is executed once.
  const key = useRef({ of: '', key: '' });
  const shown = fields.filter((field) => field.when?.(values) ?? true);
  const decisive = JSON.stringify([
    shown.filter((field) => !field.remark).map((field) => values[field.name]),
    seen?.version,
  ]);

  const leave = () => {
    close();
    if (seen?.version !== action.seen?.version) after(null);
  };

  useEffect(() => {
    dialog.current?.showModal();
    return () => dialog.current?.close();
  }, []);

  /** @param {Error} error */
  const refused = async (error) => {
    setProblem(error);
    if (!(error instanceof Problem && error.conflict && action.read && seen)) return;
    const now = await action.read().catch(() => null);
    if (!now) return;
    if (now.version !== seen.version) setMeanwhile(differences(seen.fields, now.fields));
    setSeen(now);
  };

  useEffect(() => {
    if (!action.outcome) return;
    let stale = false;
    setRun({ ...NOT_RUN, running: true });
    const timer = setTimeout(async () => {
      if (!form.current?.checkValidity()) return setRun({ ...NOT_RUN, incomplete: true });
      // A conflict stays on the screen until the command is sent.
      const keepConflict = () =>
        setProblem((was) => (was instanceof Problem && was.conflict && meanwhile ? was : null));
      try {
        const command = action.command(values);
        const { body } = command;
        const asked = action.dryRunInBody ? { body: { ...body, dry_run: true } } : { query: { dry_run: 'true' }, body };
        const answer = await give(command, { ...asked, version: seen?.version });
        if (stale) return;
        setRun({ ...NOT_RUN, answer });
        keepConflict();
      } catch (error) {
        if (stale) return;
        // A passing problem is of the preview alone: it does not say that the command would be refused.
        const failure = error instanceof Problem && error.passing ? error : null;
        setRun({ ...NOT_RUN, failure });
        if (failure) keepConflict();
        else await refused(/** @type {Error} */ (error));
      }
    }, DRY_RUN_DELAY_MS);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [decisive, attempt]);

  const carryOut = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (sending) return;
    setSending(true);
    setProblem(null);
    setMeanwhile(null);
    try {
      const command = action.command(values);
      const { method, path, body } = command;
      const of = JSON.stringify([method, path, body, seen?.version]);
      if (key.current.of !== of) key.current = { of, key: freshKey() };
      const answer = await give(command, {
        body,
        version: seen?.version,
        ...(method === 'POST' ? { key: key.current.key } : {}),
      });
      sent.current = true;
      dialog.current?.close();
      close();
      say(action.done);
      after(answer);
    } catch (error) {
      setSending(false);
      // A refusal is an answer, so the next request is another command.
      if (!(error instanceof Problem && error.passing)) key.current = { of: '', key: '' };
      await refused(/** @type {Error} */ (error));
    }
  };

  const change = (/** @type {Field} */ field) => (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const value = field.type === 'checkbox' ? (input.checked ? 'yes' : '') : input.value;
    // Two changes before the next rendering are both kept.
    setValues((was) => ({ ...was, [field.name]: value }));
    // A remark can be what was missing.
    if (run.incomplete) setAttempt(attempt + 1);
  };

  return html`
    <dialog ref=${dialog} aria-labelledby=${id} onClose=${() => {
      if (!sent.current) leave();
    }}>
      <form ref=${form} onSubmit=${carryOut}>
        <h2 id=${id}>${action.title}</h2>
        ${action.what && html`<p>${action.what}</p>`}
        ${shown.map((field) => html`<${Input} key=${field.name} field=${field} label=${typeof field.label === 'string' ? field.label : field.label(values)} value=${values[field.name] ?? ''} change=${change(field)} />`)}
        ${action.preview?.(values)}
        ${
          action.outcome &&
          html`
          <section class="dry" aria-live="polite" aria-busy=${run.running}>
            <h3>Dry run</h3>
            ${run.answer ? action.outcome(run.answer, seen?.fields ?? {}) : html`<${NoAnswer} run=${run} again=${() => setAttempt(attempt + 1)} />`}
          </section>`
        }
        ${problem && html`<${Refusal} problem=${problem} meanwhile=${meanwhile} />`}
        <footer>
          <button type="button" onClick=${() => dialog.current?.close()}>Back</button>
          <button type="submit" class=${action.danger ? 'danger' : 'primary'} disabled=${sending || Boolean(action.outcome && !run.answer)}>
            ${sending ? 'Sending\u2026' : problem instanceof Problem && problem.passing ? 'Send again' : action.verb}
          </button>
        </footer>
      </form>
    </dialog>`;
}

/** The state of a dry run without an answer. @param {{ run: Run, again: () => void }} props */
function NoAnswer({ run: { running, incomplete, failure }, again }) {
  if (failure)
    return html`<p class="muted">The preview could not be made.</p><${Trouble} error=${failure} retry=${again} />`;
  if (running) return html`<p class="muted">Asking the API what would happen\u2026</p>`;
  return html`<p class="muted">${incomplete ? 'Fill in the fields to see what would happen.' : 'It would be refused.'}</p>`;
}

/** @param {{ problem: Error, meanwhile: Array<{ name: string, was: string, is: string }> | null }} props */
function Refusal({ problem, meanwhile }) {
  const errors =
    problem instanceof Problem
      ? /** @type {Array<{ pointer: string, detail: string }>} */ (problem.body['errors'] ?? [])
      : [];
  return html`
    <div class="box bad" role="alert">
      <p>${problem.message} ${problem instanceof Problem && html`<code>${problem.code}</code>`}</p>
      ${errors.length > 0 && html`<ul>${errors.map((each) => html`<li><code>${each.pointer}</code> ${each.detail}</li>`)}</ul>`}
      ${problem instanceof Problem && problem.passing && html`<p>It is safe to send the command again: it is executed only once.</p>`}
      ${
        meanwhile &&
        (meanwhile.length > 0
          ? html`<p>Changed meanwhile:</p><${Changes} of=${meanwhile} was="You saw" is="Now" />`
          : html`<p>The record has a new version; nothing that is shown here changed.</p>`)
      }
    </div>`;
}

/**
 * Fields before and after.
 * @param {{ of: Array<{ name: string, was: string, is: string }>, was?: string, is?: string }} props
 */
export function Changes({ of, was: before = 'Before', is: after = 'After' }) {
  if (of.length === 0) return html`<p class="muted">Nothing changes.</p>`;
  return html`
    <table class="changes">
      <thead><tr><th scope="col">Field</th><th scope="col">${before}</th><th scope="col">${after}</th></tr></thead>
      <tbody>${of.map(
        ({ name, was, is }) => html`<tr>
          <th scope="row">${name}</th>
          <td class="muted">${was}</td>
          <td>${is}</td></tr>`,
      )}</tbody>
    </table>`;
}

/** @param {{ field: Field, label: string, value: string, change: (event: Event) => void }} props */
function Input({ field, label, value, change }) {
  const id = useId();
  const hint = field.hint ? `${id}-hint` : undefined;
  const type = field.type ?? 'text';
  if (type === 'checkbox') {
    return html`<label class="check"><input type="checkbox" checked=${value === 'yes'} onChange=${change} /> ${label}</label>`;
  }
  return html`
    <div class="field">
      <label for=${id}>${label}${!field.required && type !== 'select' && html` <span class="muted">optional</span>`}</label>
      ${
        type === 'select'
          ? html`<select id=${id} aria-describedby=${hint} value=${value} onChange=${change}>${(field.options ?? []).map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}</select>`
          : type === 'textarea'
            ? html`<textarea id=${id} aria-describedby=${hint} rows="3" required=${field.required} maxlength=${field.maxlength} value=${value} onInput=${change}></textarea>`
            : html`<input id=${id} aria-describedby=${hint} type=${type} value=${value} required=${field.required} pattern=${field.pattern} maxlength=${field.maxlength} min=${type === 'number' ? 0 : undefined} autocomplete="off" onInput=${change} />`
      }
      ${field.hint && html`<small id=${hint} class="muted">${field.hint}</small>`}
    </div>`;
}
