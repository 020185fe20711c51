// What is shown. It is kept in the part of the address behind `#`: a link shares it, and the browser's Back goes back
// to it.

const PRESETS = { '1h': HOUR, '6h': 6 * HOUR, '24h': DAY, '7d': 7 * DAY, '30d': 30 * DAY, '1y': 365 * DAY };
const MAX_WINDOWS = 3000;

// `implied`: the customer that a gateway names, if the address has none. `listing`: the operator's page is shown.
const state = { customer: '', range: '24h', from: 0, to: 0, window: 'auto', metric: 'requests', people: false, where: '', listing: false, live: true, implied: '' };

function readAddress() {
  const params = new URLSearchParams(location.hash.slice(1));
  const from = Date.parse(params.get('from')), to = Date.parse(params.get('to'));
  const metric = params.get('show');
  Object.assign(state, {
    customer: params.get('customer') || '',
    window: SIZES[params.get('window')] ? params.get('window') : 'auto',
    metric: METRICS.some((m) => m.id === metric) ? metric : 'requests',
    people: params.get('robots') === 'without',
    where: params.get('where') || '',
    listing: params.get('page') === 'customers',
  });
  zone.local = params.get('time') === 'local';
  if (from >= EARLIEST && to > from && to <= LATEST) Object.assign(state, { range: '', from, to });
  else state.range = PRESETS[params.get('range')] ? params.get('range') : '24h';
}

function writeAddress(replace) {
  const params = new URLSearchParams();
  if (state.listing) params.set('page', 'customers');
  if (state.customer) params.set('customer', state.customer);
  if (state.range) params.set('range', state.range);
  else { params.set('from', instant(state.from)); params.set('to', instant(state.to)); }
  if (state.window !== 'auto') params.set('window', state.window);
  if (state.metric !== 'requests') params.set('show', state.metric);
  if (state.people) params.set('robots', 'without');
  if (zone.local) params.set('time', 'local');
  if (state.where) params.set('where', state.where);
  const hash = `#${params.toString().replaceAll('%3A', ':').replaceAll('%2F', '/')}`;
  if (hash !== location.hash) history[replace ? 'replaceState' : 'pushState'](null, '', hash);
}

// Which windows are asked for. A range begins and ends where windows do; one that ends now has the window that goes
// on as its last.
function plan() {
  const now = Date.now();
  const span = state.range ? PRESETS[state.range] : state.to - state.from;
  const suited = span <= 6 * HOUR ? 'minute' : span <= 15 * DAY ? 'hour' : 'day';
  const size = state.window !== 'auto' && span / SIZES[state.window] <= MAX_WINDOWS ? state.window : suited;
  const end = state.range ? now + 1 : state.to;
  const last = windowStart(end - 1, size);
  const to = windowStart(last, size, 1);
  const from = state.range ? windowStart(to, size, -Math.max(1, Math.round(span / SIZES[size]))) : windowStart(state.from, size);
  const starts = windowStarts(from, to, size);
  // The range before has as many windows, and for long ranges begins on the same day of the week; its totals end
  // where as much of it has passed as of this range.
  const weeks = state.range ? Math.floor(span / DAY / 7) : 0;
  const pastFrom = windowStart(from, size, -(Math.round(weeks * 7 * DAY / SIZES[size]) || starts.length));
  const pastEnd = weeks ? windowStart(pastFrom, size, starts.length) : from;
  const passed = Math.min(to, Math.max(from + MINUTE, Math.ceil(now / MINUTE) * MINUTE));
  return { from, to, size, span, suited, starts, pastFrom, pastEnd, pastTo: Math.min(pastEnd, pastFrom + (passed - from)), pastName: weeks > 1 ? `${7 * weeks} days before` : 'range before' };
}

const isLive = () => state.live && Boolean(state.range || state.to > Date.now());

// ── The filter: terms of `where`, which the API describes ───────────────────────────────────────────────────────

const term = (field, value) => `${field}=${String(value).replace(/[\\,]/g, '\\$&')}`;
const terms = () => state.where.match(/(?:\\[\\,]|[^,])+/g) || [];
function withTerms(added) {
  const kept = terms().filter((old) => !added.some((one) => one.split('=')[0] === old.split('=')[0]));
  return [...kept, ...added].join(',');
}
const withoutTerms = (gone) => terms().filter((one) => !gone.includes(one)).join(',');
