//! What every page is built from: the page with its heading and requests, loading, lists that load as one scrolls, chips,
//! amounts, times.

import { h } from './vendor/preact.js';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import htm from './vendor/htm.js';
import * as api from './api.js';
import { amount, counted, day, moment, relative, words } from './format.js';
import { go, setQuery } from './router.js';

/** @typedef {import('./vendor/preact.js').Child} Child */

export const html = htm.bind(h);

const TITLE = 'Arcadia Cloud';
/** The most rows of one file. */
const MAX_ROWS = 100_000;
let navigated = false;

/**
 * A page: its title in the heading and the tab, its content, and the requests that it made.
 * @param {{ title: string, head?: Child, actions?: Child, children?: Child }} props
 */
export function Page({ title, head, actions, children }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    document.title = `${title} \u00b7 ${TITLE}`;
  }, [title]);
  useLayoutEffect(() => {
    // Not on the first page: there the skip link comes first.
    if (navigated) heading.current?.focus({ preventScroll: true });
    navigated = true;
    scrollTo(0, 0);
  }, []);
  return html`
    <header class="page">
      <div class="title"><h1 tabindex="-1" ref=${heading}>${title}</h1>${head}</div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}
    <${Requests} />`;
}

/** The requests of the present page, as commands to copy. */
function Requests() {
  const [sent, set] = useState(api.log);
  useEffect(() => api.watchLog(() => set(api.log)), []);
  const said = useSay();
  const copy = async (/** @type {api.Sent} */ each, /** @type {MouseEvent} */ { currentTarget }) => {
    try {
      await navigator.clipboard.writeText(api.curl(each));
      said('Copied.');
    } catch {
      // The clipboard is closed to pages of plain http: select the text instead.
      const code = /** @type {HTMLElement} */ (currentTarget).parentElement?.querySelector('code');
      if (code) getSelection()?.selectAllChildren(code);
      said('Selected. Press Ctrl+C to copy.');
    }
  };
  return html`
    <details class="requests">
      <summary>Requests <span class="muted">${sent.length}</span></summary>
      <p class="muted">The requests of this page to the API, as commands. Set TOKEN first.</p>
      <ol>${sent.map(
        (each) => html`
        <li>
          <span class="sent"><b>${each.method}</b> ${each.url} <span class="muted">${each.status ?? 'no answer'}, ${each.ms} ms</span></span>
          <code tabindex="0" role="group" aria-label=${`curl for ${each.method} ${each.url}`}>${api.curl(each)}</code>
          <button type="button" class="small" aria-label=${`Copy ${each.method} ${each.url}`} onClick=${(/** @type {MouseEvent} */ event) => copy(each, event)}>Copy</button>
        </li>`,
      )}
      </ol>
    </details>`;
}

/** Announces a text to screen readers, and shows it for a moment. @returns {(text: string) => void} */
export function useSay() {
  return useCallback((text) => dispatchEvent(new CustomEvent('say', { detail: text })), []);
}

/** Shows the texts of [`useSay`]. */
export function Said() {
  const [text, set] = useState('');
  useEffect(() => {
    let timer = 0;
    const say = (/** @type {Event} */ event) => {
      clearTimeout(timer);
      set(/** @type {CustomEvent} */ (event).detail);
      timer = setTimeout(() => set(''), 6_000);
    };
    addEventListener('say', say);
    return () => removeEventListener('say', say);
  }, []);
  return html`<div role="status" class=${text ? 'said shown' : 'said'}>${text}</div>`;
}

/**
 * @template T
 * @typedef {{ data: T | null, error: Error | null, loading: boolean, reload: () => Promise<void> }} Loaded
 */

/**
 * Loads data, and again when the key changes; the old data stays until then.
 * @template T
 * @param {string} key
 * @param {() => Promise<T>} load
 * @returns {Loaded<T>}
 */
export function useLoad(key, load) {
  const [state, set] = useState({
    data: /** @type {T | null} */ (null),
    error: /** @type {Error | null} */ (null),
    loading: true,
  });
  const turn = useRef(0);
  const run = async () => {
    const mine = ++turn.current;
    set((was) => ({ ...was, loading: true }));
    try {
      const data = await load();
      if (mine === turn.current) set({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) set((was) => ({ ...was, error: /** @type {Error} */ (error), loading: false }));
    }
  };
  useEffect(() => {
    void run();
    return () => {
      turn.current++;
    };
  }, [key]);
  return { ...state, reload: run };
}

/**
 * @template T
 * @typedef {{ items: T[], more: boolean, error: Error | null, loading: boolean, loadMore: () => void, reload: () => void }} Paged
 */

/**
 * A paged list, from its first page.
 * @template T
 * @param {string} path
 * @param {string} member the list's name in the answer
 * @param {Record<string, string | number | undefined>} query
 * @param {boolean} [idle] true: nothing is loaded yet
 * @returns {Paged<T>}
 */
export function usePages(path, member, query, idle = false) {
  const first = {
    items: /** @type {T[]} */ ([]),
    cursor: /** @type {string | null} */ (null),
    loading: true,
    error: /** @type {Error | null} */ (null),
  };
  const [state, set] = useState(first);
  const turn = useRef(0);
  const key = JSON.stringify([path, query, idle]);
  const page = async (/** @type {T[]} */ before, /** @type {string | null} */ cursor) => {
    const mine = ++turn.current;
    set((was) => ({ ...was, loading: true, error: null }));
    try {
      const answer = /** @type {any} */ (await api.get(path, { ...query, cursor }));
      if (mine === turn.current)
        set({ items: [...before, ...answer[member]], cursor: answer.next_cursor, loading: false, error: null });
    } catch (error) {
      if (mine === turn.current) set({ items: before, cursor, loading: false, error: /** @type {Error} */ (error) });
    }
  };
  useEffect(() => {
    if (!idle) void page([], null);
    return () => {
      turn.current++;
    };
  }, [key]);
  return {
    items: state.items,
    more: state.cursor !== null,
    error: state.error,
    loading: state.loading,
    loadMore: () => {
      if (!state.loading) void page(state.items, state.cursor);
    },
    reload: () => void page([], null),
  };
}

/**
 * The end of a list: loads on when it comes into view, and says how much there is.
 * @param {{ list: Paged<any>, one: string, empty: string, auto?: boolean }} props `empty`: the text for an empty list
 */
export function More({ list, one, empty, auto = true }) {
  const end = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!end.current || !auto || !list.more || list.loading || list.error) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) list.loadMore();
      },
      { rootMargin: '400px' },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  });
  if (list.error && list.items.length === 0) return html`<${Trouble} error=${list.error} retry=${list.reload} />`;
  const count = list.items.length;
  // A page can be empty and have a next one.
  if (count === 0 && !list.loading && !list.more) return html`<${Empty}>${empty}<//>`;
  return html`
    <p class=${list.loading ? 'more loading' : 'more'} ref=${end} role="status">
      ${list.loading ? (count ? `${count} shown, loading more\u2026` : 'Loading\u2026') : `${counted(count, one)}${list.more ? ' shown' : ''}`}
      ${list.more && !list.loading && html` <button type="button" class="small" onClick=${list.loadMore}>Load more</button>`}
    </p>
    ${list.error && html`<${Trouble} error=${list.error} retry=${list.loadMore} />`}`;
}

/**
 * An error's sentence and code, with a button to retry.
 * @param {{ error: Error, retry?: () => void }} props
 */
export function Trouble({ error, retry }) {
  const code = error instanceof api.Problem ? error.code : null;
  const hopeless = error instanceof api.Problem && !error.passing;
  return html`
    <div class="box bad" role="alert">
      <p>${error.message} ${code && html`<code>${code}</code>`}</p>
      ${retry && !hopeless && html`<button type="button" class="small" onClick=${retry}>Try again</button>`}
    </div>`;
}

/**
 * The loaded data, or the progress of loading.
 * @template T
 * @param {{ of: Loaded<T>, children: (data: T) => Child }} props
 */
export function Show({ of, children }) {
  if (of.data === null)
    return of.error ? html`<${Trouble} error=${of.error} retry=${of.reload} />` : html`<${Loading} />`;
  return html`${of.error && html`<${Trouble} error=${of.error} retry=${of.reload} />`}${children(of.data)}`;
}

export function Loading() {
  return html`<p class="muted loading" role="status">Loading\u2026</p>`;
}

/** @param {{ children?: Child }} props */
export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

/** @param {{ state: string }} props */
export function Chip({ state }) {
  return html`<span class=${`chip s-${state}`}>${words(state)}</span>`;
}

/** @param {{ cents: number, currency: string }} props */
export function Money({ cents, currency }) {
  return html`<span class="money">${amount(cents, currency)} <span class="code">${currency}</span></span>`;
}

/** @param {{ amounts: import('./shapes.d.ts').Amount[] }} props */
export function Moneys({ amounts }) {
  const some = amounts.filter((each) => each.amount_cents !== 0);
  if (some.length === 0) return html`<span class="muted">\u2013</span>`;
  return some.map(
    (each, index) =>
      html`${index > 0 && html`<br />`}<${Money} cents=${each.amount_cents} currency=${each.currency} />`,
  );
}

/**
 * A moment, absolute and relative to the API's clock.
 * @param {{ at: string | null | undefined, time?: boolean, bare?: boolean }} props
 */
export function When({ at, time = false, bare = false }) {
  if (!at) return html`<span class="muted">\u2013</span>`;
  return html`<time datetime=${at} title=${`${moment(at)} UTC`}>${time ? moment(at) : day(at)}${!bare && html` <span class="rel">${relative(at, api.now())}</span>`}</time>`;
}

/**
 * A list of terms with their values.
 * @param {{ of: Array<[string, Child] | null | false> }} props
 */
export function Facts({ of }) {
  return html`<dl class="facts">${of.map((each) => each && html`<div><dt>${each[0]}</dt><dd>${each[1]}</dd></div>`)}</dl>`;
}

/**
 * Saves a list as comma-separated values.
 * @param {{ path: string, query: Record<string, string>, file: string, disabled?: boolean }} props
 */
export function Download({ path, query, file, disabled }) {
  const say = useSay();
  const save = async () => {
    try {
      say('Loading\u2026');
      const { text, rows, more } = await api.csv(path, query, MAX_ROWS);
      const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
      const link = Object.assign(document.createElement('a'), { href: url, download: file });
      link.click();
      URL.revokeObjectURL(url);
      say(
        more
          ? `Saved the first ${counted(rows, 'row')} as ${file}. There are more: choose a filter.`
          : `Saved as ${file}.`,
      );
    } catch (error) {
      say(/** @type {Error} */ (error).message);
    }
  };
  return html`<button type="button" disabled=${disabled} onClick=${save}>Download CSV</button>`;
}

/**
 * A filter that is kept in the address.
 * @param {{ label: string, name: string, value: string | undefined, options?: Array<[string, string]>, type?: string, placeholder?: string }} props
 */
export function Filter({ label, name, value = '', options, type = 'search', placeholder }) {
  // What is typed is kept here until it is entered: the page is drawn anew with every answer.
  const [draft, setDraft] = useState(value);
  useLayoutEffect(() => setDraft(value), [value]);
  const changed = (/** @type {Event} */ event) =>
    setQuery({ [name]: /** @type {HTMLInputElement} */ (event.target).value.trim() });
  return html`
    <label class="filter"><span>${label}</span>
      ${
        options
          ? html`<select value=${value} onChange=${changed}>${options.map(([each, text]) => html`<option value=${each} selected=${each === value}>${text}</option>`)}</select>`
          : html`<input type=${type} value=${draft} placeholder=${placeholder} autocomplete="off" spellcheck="false" onChange=${changed} onInput=${(
              /** @type {Event} */ event,
            ) => {
              const text = /** @type {HTMLInputElement} */ (event.target).value;
              setDraft(text);
              if (text === '') changed(event);
            }} />`
      }
    </label>`;
}

/** @param {{ children?: Child, any: boolean, names: string[] }} props */
export function Filters({ children, any, names }) {
  return html`
    <form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      ${children}
      ${any && html`<button type="button" class="small" onClick=${() => setQuery(Object.fromEntries(names.map((name) => [name, null])))}>Clear filters</button>`}
    </form>`;
}

/**
 * Opens a row's page for a click anywhere in the row; the link in it does the same for the keyboard.
 * @param {string} path
 */
export function opens(path) {
  return (/** @type {MouseEvent} */ event) => {
    if (event.target instanceof Element && !event.target.closest('a, button') && !getSelection()?.toString()) go(path);
  };
}
