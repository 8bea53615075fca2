//! The lifecycle as a drawing. States and moves are those of GET /lifecycle; only their places on paper are known here.

import * as api from './api.js';
import { useEffect, useState } from './vendor/hooks.js';
import { html } from './ui.js';
import { words } from './format.js';
import { href } from './router.js';

/** @typedef {import('./shapes.d.ts').Lifecycle} Lifecycle */
/** @typedef {{ width: number, height: number, places: Record<string, [number, number]>, bends: Record<string, number> }} Layout */

const NODE_W = 96;
const NODE_H = 34;
/** The number of letters that fit in a state's box at the usual size. */
const FITS = 11;
const NARROW = '(max-width: 720px)';

// A bend moves the middle of an edge sideways, so that it passes the states between its ends.
/** @type {Layout} */
const WIDE = {
  width: 840,
  height: 220,
  places: {
    trial: [52, 112],
    active: [212, 112],
    past_due: [372, 46],
    suspended: [532, 46],
    paused: [420, 162],
    cancelled: [640, 112],
    archived: [788, 112],
  },
  bends: { 'trial>cancelled': -190, 'suspended>active': -128 },
};
/** @type {Layout} */
const TALL = {
  width: 340,
  height: 420,
  places: {
    trial: [162, 22],
    active: [162, 100],
    past_due: [70, 182],
    suspended: [70, 262],
    paused: [254, 182],
    cancelled: [162, 336],
    archived: [162, 396],
  },
  bends: { 'trial>cancelled': 288, 'suspended>active': 96 },
};

function useNarrow() {
  const [narrow, set] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const changed = () => set(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return narrow;
}

/** @type {Promise<Lifecycle> | null} */
let asked = null;

/** Loads it once: the lifecycle does not change while the console is open. The answer also sets the clock of `api.now`. */
export function loadLifecycle() {
  asked ??= /** @type {Promise<Lifecycle>} */ (api.get('/lifecycle')).catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/**
 * @param {{ lifecycle: Lifecycle, at?: string, allowed?: string[], links?: boolean, counts?: Record<string, number> }} props
 *   `at`: the state to mark; `allowed`: the moves out of it that the caller can make
 */
export function LifecycleMap({ lifecycle, at, allowed = [], links = false, counts }) {
  const layout = useNarrow() ? TALL : WIDE;
  const states = lifecycle.states.filter(({ state }) => layout.places[state]);
  const edges = states.flatMap(({ state, transitions }) =>
    transitions.map((move) => ({
      from: /** @type {string} */ (state),
      to: /** @type {string} */ (move.to_state),
      by: move.permitted,
    })),
  );
  const label = at
    ? `The lifecycle. The deployment is ${words(at)}; you can move it to: ${allowed.map(words).join(', ') || 'no other state'}.`
    : 'The lifecycle. Each state leads to its deployments.';
  return html`
    <svg class="map" viewBox="0 0 ${layout.width} ${layout.height}" role=${links ? 'group' : 'img'} aria-label=${label}>
      <defs>
        ${['', ' on'].map(
          (kind) => html`
          <marker id=${'arrow' + kind.trim()} class=${'head' + kind} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0.5 L8 4 L0 7.5 z" /></marker>`,
        )}
      </defs>
      ${edges.map(({ from, to, by }) => {
        const on = from === at && allowed.includes(to);
        const byClock = !by.includes('tenant_user');
        return html`<path class=${`edge${on ? ' on' : ''}${byClock ? ' clock' : ''}`} d=${curve(layout, from, to)} marker-end=${`url(#arrow${on ? 'on' : ''})`} />`;
      })}
      ${states.map(({ state, description }) => {
        const [x, y] = layout.places[state] ?? [0, 0];
        const label = words(state) + (counts?.[state] ? ` ${counts[state]?.toLocaleString('en')}` : '');
        const node = html`
          <g class=${`node s-${state}${label.length > FITS ? ' long' : ''}${state === at ? ' at' : ''}${at && state !== at && !allowed.includes(state) ? ' off' : ''}`}>
            <title>${description}</title>
            <rect x=${x - NODE_W / 2} y=${y - NODE_H / 2} width=${NODE_W} height=${NODE_H} rx="8" />
            <text x=${x} y=${y + 4.5} text-anchor="middle">${label}</text>
          </g>`;
        return links ? html`<a href=${href('deployments', { state })}>${node}</a>` : node;
      })}
    </svg>`;
}

/**
 * From border to border. Two edges between the same states pass each other on their left.
 * @param {Layout} layout
 * @param {string} from
 * @param {string} to
 */
function curve(layout, from, to) {
  const [ax, ay] = layout.places[from] ?? [0, 0];
  const [bx, by] = layout.places[to] ?? [0, 0];
  const length = Math.hypot(bx - ax, by - ay);
  const [nx, ny] = [(by - ay) / length, -(bx - ax) / length];
  const bend = layout.bends[`${from}>${to}`] ?? 0;
  const side = 7;
  const middle = /** @type {[number, number]} */ ([
    (ax + bx) / 2 + nx * (side + bend),
    (ay + by) / 2 + ny * (side + bend),
  ]);
  const shift = bend && Math.abs(bend) > 60 ? 0 : side;
  const start = border([ax + nx * shift, ay + ny * shift], [ax, ay], middle, 1);
  const end = border([bx + nx * shift, by + ny * shift], [bx, by], middle, 4);
  return `M${start} Q${middle.map((part) => part.toFixed(1)).join(' ')} ${end}`;
}

/**
 * Where the line from a point in a state's box toward another leaves the box, and `gap` beyond.
 * @param {[number, number]} inside
 * @param {[number, number]} center
 * @param {[number, number]} toward
 * @param {number} gap
 */
function border(inside, center, toward, gap) {
  const [dx, dy] = [toward[0] - inside[0], toward[1] - inside[1]];
  const reach = (
    /** @type {number} */ d,
    /** @type {number} */ at,
    /** @type {number} */ middle,
    /** @type {number} */ half,
  ) => (d === 0 ? Infinity : (middle + Math.sign(d) * (half + gap) - at) / d);
  const t = Math.min(reach(dx, inside[0], center[0], NODE_W / 2), reach(dy, inside[1], center[1], NODE_H / 2));
  return `${(inside[0] + dx * t).toFixed(1)} ${(inside[1] + dy * t).toFixed(1)}`;
}
