//! Routes in the address's fragment: `#/deployments?state=past_due`. Every filter stands there, so that a view can be shared.

import { useEffect, useState } from './vendor/hooks.js';

/** @typedef {{ path: string, query: Record<string, string> }} Route */

/** @returns {Route} */
export function route() {
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return { path: (path ?? '').replace(/\/+$/, ''), query: Object.fromEntries(new URLSearchParams(search ?? '')) };
}

/**
 * @param {string} path such as `deployments/ID`
 * @param {Record<string, string | null | undefined>} [query]
 */
export function href(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  return `#/${path}${search.size ? '?' + search : ''}`;
}

/** @param {string} path */
export function go(path) {
  location.hash = href(path);
}

/**
 * Changes filters of the present page without a new entry in the history.
 * @param {Record<string, string | null | undefined>} change
 */
export function setQuery(change) {
  const { path, query } = route();
  history.replaceState(null, '', href(path, { ...query, ...change }));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

/** @returns {Route} */
export function useRoute() {
  const [current, set] = useState(route);
  useEffect(() => {
    const changed = () => set(route());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return current;
}

/**
 * The parameters of a path, by a pattern such as `deployments/:id`, or null if it does not match. They stay encoded, as
 * the API's paths take them.
 * @param {string} pattern
 * @param {string} path
 * @returns {Record<string, string> | null}
 */
export function match(pattern, path) {
  const names = pattern.split('/');
  const parts = path.split('/');
  if (names.length !== parts.length) return null;
  /** @type {Record<string, string>} */
  const params = {};
  for (const [index, name] of names.entries()) {
    const part = parts[index] ?? '';
    if (name.startsWith(':') && part !== '') params[name.slice(1)] = part;
    else if (name !== part) return null;
  }
  return params;
}
