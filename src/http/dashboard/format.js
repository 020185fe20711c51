// Words and numbers for people, and elements. Whatever came from a log goes through shown(), as text.

const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const SIZES = { minute: MINUTE, hour: HOUR, day: DAY };

// What the server's classes are shown as; `other` is what no family names.
const CLASSES = [
  { id: 'browser', name: 'Browsers', of: ['browser', 'mobile'] },
  { id: 'app', name: 'Apps', of: ['app'] },
  { id: 'tool', name: 'Tools', of: ['tool'] },
  { id: 'bot', name: 'Bots', of: ['bot'] },
  { id: 'ai', name: 'AI crawlers', of: ['ai'] },
  { id: 'other', name: 'Other', of: ['other'] },
];
const classOf = (name) => (CLASSES.find((c) => c.of.includes(name)) || CLASSES[5]).id;
const byClass = (counts) => {
  const sums = {};
  for (const [name, count] of Object.entries(counts || {})) sums[classOf(name)] = (sums[classOf(name)] || 0) + count;
  return sums;
};

const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'hue') node.style.setProperty('--hue', `var(--${value})`);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);
const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

// Characters that are not seen, or change the direction of text, by their number.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;
function shown(text) {
  const bdi = el('bdi');
  for (const part of String(text).split(new RegExp(`(${UNSEEN.source})`, 'u'))) {
    if (part && UNSEEN.test(part)) {
      const number = part.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
      bdi.append(el('span', { class: 'esc' }, `U+${number}`));
    } else if (part) {
      bdi.append(part);
    }
  }
  return bdi;
}

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const number = (n) => whole.format(n);
const compact = (n) => short.format(n);
const percent = (part, all) => {
  if (!all) return '–';
  if (!part) return '0%';
  const share = (100 * part) / all;
  return share < 0.1 ? '<0.1%' : `${share.toFixed(share < 10 ? 1 : 0)}%`;
};

// How a count changed: an element, or nothing where there is nothing to compare.
function change(now, before) {
  if (before === undefined || (!before && !now)) return el('span', { class: 'note' }, '–');
  if (!before) return el('span', { class: 'note' }, 'new');
  const ratio = now / before - 1;
  const text = ratio >= 9.995 ? `×${compact(now / before)}` : `${Math.abs(100 * ratio).toFixed(Math.abs(ratio) < 0.0995 ? 1 : 0)}%`;
  const way = ratio > 0.0005 ? 'up' : ratio < -0.0005 ? 'down' : '';
  const label = way === 'up' ? `up ${text}` : way === 'down' ? `down ${text}` : 'unchanged';
  return el('span', { class: 'note' }, el('span', { class: way, 'aria-hidden': 'true' }, way ? text : '='), el('span', { class: 'unseen' }, label));
}

const dates = (options) => {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', ...options });
  return (ms) => format.format(ms);
};
const dayMonth = dates({ day: 'numeric', month: 'short' });
const dayMonthYear = dates({ day: 'numeric', month: 'short', year: 'numeric' });
const monthYear = dates({ month: 'short', year: 'numeric' });
const clock = dates({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockSeconds = dates({ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const instant = (ms) => new Date(ms).toISOString().replace('.000Z', 'Z');

// A range in words: no year where it is this one, one date where both are the same day.
function rangeText(from, to, size) {
  const year = new Date().getUTCFullYear();
  const date = [from, to - 1].every((ms) => new Date(ms).getUTCFullYear() === year) ? dayMonth : dayMonthYear;
  if (size === 'day') return date(from) === date(to - 1) ? date(from) : `${date(from)} – ${date(to - 1)}`;
  const end = clock(to) === '00:00' ? '24:00' : clock(to);
  return date(from) === date(to - 1) ? `${date(from)}, ${clock(from)} – ${end}` : `${date(from)}, ${clock(from)} – ${date(to - 1)}, ${end}`;
}
const bucketText = (start, size) => (size === 'day' ? dayMonthYear(start) : `${dayMonth(start)}, ${clock(start)}`);
