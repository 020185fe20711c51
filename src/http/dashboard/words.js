// Numbers for people, and elements. Whatever came from a log goes through shown(), as text.

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

const note = (...children) => el('span', { class: 'note' }, ...children);
const td = (content, props) => el('td', props, content);
const th = (content, props) => el('th', { scope: 'col', ...props }, content);
const table = (heads, rows, kind = '') => el('table', { class: `list ${kind}` }, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows));
// A table that scrolls within its card.
const scrolled = (name, content, kind = '') => el('div', { class: `scroll ${kind}`, tabindex: 0, role: 'region', 'aria-label': name }, content);

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
const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

// A number with a unit, in so many figures at most: 1.23 MB, 45 ms.
function withUnit(n, units, figures = 3) {
  let at = 0;
  while (at < units.length - 1 && n >= units[at + 1][0]) at += 1;
  const value = n / units[at][0];
  return `${value === 0 ? 0 : Number(value.toPrecision(value >= 1000 ? 4 : value < 0.1 ? 1 : figures))} ${units[at][1]}`;
}
const bytes = (n) => withUnit(n, [[1, 'B'], [1e3, 'kB'], [1e6, 'MB'], [1e9, 'GB'], [1e12, 'TB'], [1e15, 'PB']]);
// A quantile is the middle of a bucket that is 9% wide: a third figure would be false precision.
const seconds = (n, figures = 2) => withUnit(n, [[1e-3, 'ms'], [1, 's'], [60, 'min'], [3600, 'h']], figures);
const ratio = (share) => {
  if (share === undefined) return '–';
  if (!share) return '0%';
  return share < 0.001 ? '<0.1%' : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
};
const percent = (part, all) => ratio(all ? (part || 0) / all : undefined);

// An element that shows how a number changed. `rate`: it is a share, which changes by points; everything else changes
// in percent. `worse`: the direction that is a change for the worse, if there is one.
function change(now, before, { rate = false, worse = '' } = {}) {
  if (before === undefined || now === undefined || (!before && !now)) return note('–');
  if (!before && !rate) return note('new');
  const difference = rate ? now - before : now / before - 1;
  const size = Math.abs(100 * difference);
  const text = !rate && difference >= 9.995 ? `×${compact(now / before)}` : `${size.toFixed(size < 9.95 ? 1 : 0)}${rate ? ' points' : '%'}`;
  const way = difference > 0.0005 ? 'up' : difference < -0.0005 ? 'down' : '';
  const label = way ? `${way} ${text}` : 'unchanged';
  return el('span', { class: way && way === worse ? 'note worse' : 'note' }, el('span', { class: way, 'aria-hidden': 'true' }, way ? text : '='), el('span', { class: 'unseen' }, label));
}
