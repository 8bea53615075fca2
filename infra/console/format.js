//! How values are written: money by its currency's minor unit, times in UTC and relative, names of states and actions.
//! Nothing here touches the page.

/** @typedef {import('./shapes.d.ts').Amount} Amount */

// ISO 4217's minor units where they are not two. `Intl` is not a source: it follows CLDR, which differs (IQD, LAK).
const DIGITS = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'
    .split(' ')
    .map((code) => /** @type {const} */ ([code, 0])),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => /** @type {const} */ ([code, 3])),
]);

/** @param {string} currency */
export function digitsOf(currency) {
  return DIGITS.get(currency) ?? 2;
}

/**
 * An amount in major units, without the currency's code: `1,825.00`.
 * @param {number} cents in minor units
 * @param {string} currency
 */
export function amount(cents, currency) {
  const digits = digitsOf(currency);
  const padded = String(Math.abs(cents)).padStart(digits + 1, '0');
  const whole = padded.slice(0, padded.length - digits).replace(/\B(?=(\d{3})+$)/g, ',');
  const part = digits === 0 ? '' : '.' + padded.slice(-digits);
  return (cents < 0 ? '\u2212' : '') + whole + part;
}

/**
 * @param {number} cents
 * @param {string} currency
 */
export function money(cents, currency) {
  return `${amount(cents, currency)} ${currency}`;
}

/**
 * Amounts of several currencies: `29.00 USD and 1,200 JPY`, or `nothing`.
 * @param {Amount[]} amounts
 */
export function moneys(amounts) {
  return amounts.map((each) => money(each.amount_cents, each.currency)).join(' and ') || 'nothing';
}

/** Basis points as percent. @param {number} rate */
export const percent = (rate) => `${(rate / 100).toFixed(2)} %`;

/** The size of a discount, its beginning and its duration. @param {import('./shapes.d.ts').Discount} of */
export function discount({ coupon, percent_basis_points: points, amount_cents, currency, periods_left: left, running }) {
  const off = points === null ? money(amount_cents ?? 0, currency ?? '') : `${points / 100} %`;
  const since = running ? '' : ', from the next period on';
  const until = left === null ? '' : left === 0 ? ', in its last period' : `, ${counted(left, 'period')} left`;
  return `${off} off (${coupon})${since}${until}`;
}

/**
 * Sums by currency, in the order in which the currencies first appear.
 * @template T
 * @param {T[]} items
 * @param {(item: T) => number} cents
 * @param {(item: T) => string} currency
 * @returns {Amount[]}
 */
export function sums(items, cents, currency) {
  /** @type {Map<string, number>} */
  const by = new Map();
  for (const item of items) by.set(currency(item), (by.get(currency(item)) ?? 0) + cents(item));
  return [...by].map(([code, amount_cents]) => /** @type {Amount} */ ({ currency: code, amount_cents }));
}

/**
 * Minor units of an amount as people write it (`29.00`, `1,825`), or null if it is not one.
 * @param {string} text
 * @param {string} currency
 */
export function parseMoney(text, currency) {
  const match = /^(\d{1,13})(?:\.(\d+))?$/.exec(text.trim().replace(/,(?=\d{3}\b)/g, ''));
  const digits = digitsOf(currency);
  if (!match || (match[2] ?? '').length > digits) return null;
  return Number(match[1] + (match[2] ?? '').padEnd(digits, '0'));
}

const DAY = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short', year: 'numeric' });
const TIME = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', hour: '2-digit', minute: '2-digit' });

/** @param {string | Date} at */
export function day(at) {
  return DAY.format(new Date(at));
}

/** @param {string | Date} at */
export function moment(at) {
  return `${day(at)}, ${TIME.format(new Date(at))}`;
}

/**
 * A half-open period by its days: `1 Jan – 1 Feb 2027`.
 * @param {string} from
 * @param {string} to
 */
export function period(from, to) {
  const begins = from.slice(0, 4) === to.slice(0, 4) ? day(from).replace(/ \d{4}$/, '') : day(from);
  return `${begins} \u2013 ${day(to)}`;
}

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
/** @type {Array<[Intl.RelativeTimeFormatUnit, number]>} */
const UNITS = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/**
 * @param {string | Date} at
 * @param {Date} now
 */
export function relative(at, now) {
  const seconds = (new Date(at).getTime() - now.getTime()) / 1000;
  for (const [unit, length] of UNITS) {
    // Up to 60 days are shown in days: "in 2 months" is too coarse for a due date.
    const least = unit === 'month' ? 60 * 86_400 : unit === 'year' ? 2 * length : length;
    if (Math.abs(seconds) >= least) return RELATIVE.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 0 ? 'in less than a minute' : 'just now';
}

/**
 * A time in the API's format: to the second, in UTC.
 * @param {Date} at
 */
export function rfc3339(at) {
  return at.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = one + 's') {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/**
 * A name in words: `past due` for `past_due`.
 * @param {string} name
 */
export function words(name) {
  return name.replaceAll('_', ' ');
}

/** The scheduled steps, in the words of docs/billing.md. @type {Record<string, string>} */
const ACTIONS = {
  cancel_subscription: 'cancel the subscription',
  end_trial: 'end the trial',
  resume: 'resume',
  pause_unsubscribed: 'pause without a subscription',
  apply_balance: 'settle by balance',
  mark_past_due: 'mark past due',
  suspend: 'suspend',
  cancel_unpaid: 'cancel as unpaid',
  change_plan: 'change the plan',
  renew: 'renew',
  give_up: 'give up unpaid invoices',
  archive: 'archive',
};
export const ACTION_NAMES = Object.keys(ACTIONS);

/** @param {string} name */
export function action(name) {
  return ACTIONS[name] ?? words(name);
}

/** The kinds of GET /attention. */
export const ATTENTION = {
  held: 'held: no scheduled step changes their state',
  cancelled_with_resources: 'cancelled, but resources still run at the provider',
  postponed: 'postponed by the sweep: a step failed, see the logs',
  not_published: 'events that could not be published',
};

/** @type {Record<string, string>} */
const MOVES = {
  active: 'Activate',
  paused: 'Pause',
  past_due: 'Mark past due',
  suspended: 'Suspend',
  cancelled: 'Cancel deployment',
  archived: 'Archive',
};

/**
 * The name of a move: `Pause`; back to `active`, the name depends on the state before.
 * @param {string} from
 * @param {string} to
 */
export function move(from, to) {
  if (to === 'active')
    return { paused: 'Resume', cancelled: 'Reactivate', trial: 'Activate' }[from] ?? 'Return to active';
  return MOVES[to] ?? words(to);
}

/** @param {string} interval */
export function per(interval) {
  return `a ${words(interval)}`;
}

/** @param {string} text */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
