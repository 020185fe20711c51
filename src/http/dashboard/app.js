// What is shown: customer, range and window size, kept in the part of the address behind `#`, so that it can be
// shared, and Back leads back. Everything is asked of the same API that others use.

const PRESETS = { '1h': HOUR, '6h': 6 * HOUR, '24h': DAY, '7d': 7 * DAY, '30d': 30 * DAY, '1y': 365 * DAY };
const MAX_BUCKETS = 3000, ROWS = 15, TOP = 100, EXPORTED = 10000;
const EARLIEST = 0, LATEST = Date.UTC(9999, 11, 31);

const state = { customer: '', range: '24h', from: 0, to: 0, window: 'auto', live: true, implied: '' };
let view = null, pending = null, timer = 0, failures = 0, lastBefore = {}, expanded = { paths: false, families: new Set() };

function readAddress() {
  const params = new URLSearchParams(location.hash.slice(1));
  const from = Date.parse(params.get('from')), to = Date.parse(params.get('to'));
  state.customer = params.get('customer') || '';
  state.window = SIZES[params.get('window')] ? params.get('window') : 'auto';
  if (from >= EARLIEST && to > from && to <= LATEST) Object.assign(state, { range: '', from, to });
  else state.range = PRESETS[params.get('range')] ? params.get('range') : '24h';
}

function writeAddress(replace) {
  const params = new URLSearchParams();
  if (state.customer) params.set('customer', state.customer);
  if (state.range) params.set('range', state.range);
  else { params.set('from', instant(state.from)); params.set('to', instant(state.to)); }
  if (state.window !== 'auto') params.set('window', state.window);
  const hash = `#${params.toString().replaceAll('%3A', ':')}`;
  if (hash !== location.hash) history[replace ? 'replaceState' : 'pushState'](null, '', hash);
}

// Which windows are asked for. Ranges begin and end with windows; one that ends now holds the window that has begun.
function plan() {
  const now = Date.now();
  const span = state.range ? PRESETS[state.range] : state.to - state.from;
  const suited = span <= 6 * HOUR ? 'minute' : span <= 15 * DAY ? 'hour' : 'day';
  const size = state.window !== 'auto' && span / SIZES[state.window] <= MAX_BUCKETS ? state.window : suited;
  const step = SIZES[size];
  const to = state.range ? Math.floor(now / step) * step + step : Math.ceil(state.to / step) * step;
  const from = state.range ? to - Math.max(step, span) : Math.floor(state.from / step) * step;
  // Of the range before, as much as has passed of this one.
  const passed = Math.max(from + MINUTE, Math.min(to, Math.ceil(now / MINUTE) * MINUTE));
  return { from, to, size, span, suited, before: from - (to - from), beforeTo: passed - (to - from) };
}

const live = () => state.live && (state.range || state.to > Date.now());

async function ask(p, signal) {
  const who = state.customer;
  // Without a customer, a gateway may know whose requests these are: one question finds out.
  const known = who || state.implied ? null : await windows(who, p.from, p.to, p.size, signal);
  // The range before changes little: it is asked again when it moves.
  const past = (name, start, end, question) => {
    const id = [name, who, start, end, key.get()].join(' ');
    if (start < EARLIEST) return null;
    if (!lastBefore[name] || lastBefore[name].id !== id) lastBefore[name] = { id, answer: question(start, end).catch((error) => { delete lastBefore[name]; throw error; }) };
    return lastBefore[name].answer;
  };
  const [series, paths, families, seriesBefore, pathsBefore, familiesBefore] = await Promise.all([
    known || windows(who, p.from, p.to, p.size, signal),
    top(who, 'path', p.from, p.to, TOP, signal),
    top(who, 'agent', p.from, p.to, 2 * TOP, signal),
    past('series', p.before, p.from, (start, end) => windows(who, start, end, p.size)),
    past('paths', p.before, p.beforeTo, (start, end) => top(who, 'path', start, end, 5 * TOP)),
    past('families', p.before, p.beforeTo, (start, end) => top(who, 'agent', start, end, 5 * TOP)),
  ]);
  return { ...p, customer: series.customer, buckets: buckets(p, series.windows, seriesBefore && seriesBefore.windows), paths, families, pathsBefore, familiesBefore, at: Date.now() };
}

function buckets(p, windowsNow, windowsBefore) {
  const step = SIZES[p.size];
  const all = [];
  for (let start = p.from; start < p.to; start += step) all.push({ start, requests: 0, classes: {}, before: windowsBefore ? 0 : undefined });
  for (const w of windowsNow) {
    const bucket = all[(Date.parse(w.windowStart) - p.from) / step];
    if (bucket) Object.assign(bucket, { requests: w.requests, classes: byClass(w.requestsByClass), incomplete: w.incomplete });
  }
  for (const w of windowsBefore || []) {
    const bucket = all[(Date.parse(w.windowStart) - p.before) / step];
    if (bucket) bucket.before = w.requests;
  }
  return all;
}

// `quiet`: nobody asked for it, so nothing is announced and what is shown stays until there is something newer.
async function load(quiet) {
  clearTimeout(timer);
  if (pending) pending.abort();
  pending = new AbortController();
  const { signal } = pending;
  const p = plan();
  controls(p);
  document.body.classList.toggle('loading', !quiet);
  try {
    const answer = await ask(p, signal);
    if (signal.aborted) return;
    failures = 0;
    view = answer;
    state.implied = state.customer ? '' : answer.customer;
    document.body.classList.remove('loading', 'stale');
    $('banner').hidden = true;
    await show(answer, signal);
    if (!quiet) $('said').textContent = `${number(answer.families.requests)} requests, ${rangeText(p.from, p.to, p.size)}`;
  } catch (error) {
    if (error.name === 'AbortError' || signal.aborted) return;
    document.body.classList.remove('loading');
    if (!(error instanceof ApiError)) console.error(error);
    failures += 1;
    trouble(error, quiet);
  }
  next(p);
}

function next(p) {
  clearTimeout(timer);
  const again = failures ? Math.min(60000, 2500 * 2 ** failures) : { minute: 5000, hour: 20000, day: 60000 }[p.size];
  const passing = failures && view !== null || failures && document.body.dataset.wait;
  if (!document.hidden && (passing || (!failures && view && live()))) timer = setTimeout(() => load(true), again);
  const often = live() && !failures ? (document.hidden ? ' · paused' : ` · every ${again / 1000} s`) : '';
  $('updated').textContent = view ? `Updated ${clockSeconds(view.at)}${often}` : '';
}

function controls(p) {
  for (const button of $('presets').children) button.setAttribute('aria-pressed', String(button.value === state.range));
  $('live').setAttribute('aria-pressed', String(Boolean(live())));
  $('live').disabled = !state.range && state.to <= Date.now();
  $('window').value = state.window;
  for (const option of $('window').options) {
    option.disabled = option.value !== 'auto' && p.span / SIZES[option.value] > MAX_BUCKETS;
    if (option.value === 'auto') option.textContent = `auto (${p.suited})`;
  }
  $('shown').textContent = rangeText(p.from, p.to, p.size);
  $('custom').firstElementChild.classList.toggle('strong', !state.range);
  if (document.activeElement !== $('customer')) $('customer').value = state.customer || state.implied;
  $('from').value = instant(p.from).slice(0, 16);
  $('to').value = instant(p.to).slice(0, 16);
  $('key').textContent = key.get() ? 'Key ✓' : 'Key';
}

// ── What is shown ───────────────────────────────────────────────────────────────────────────────────────────────

async function show(answer, signal) {
  $('customer').value = document.activeElement === $('customer') ? $('customer').value : answer.customer;
  document.title = `${answer.customer} · Log analytics`;
  const none = !answer.families.requests && !answer.buckets.some((b) => b.before);
  $('numbers').hidden = none;
  $('message').hidden = !none;
  for (const button of $('export').querySelectorAll('button')) button.disabled = none;
  if (none) return empty(answer, signal);
  tiles(answer);
  chart.show(answer.buckets, answer.size);
  legend(answer);
  table(answer);
  paths(answer);
  families(answer);
}

function tiles(answer) {
  const now = byClass(answer.families.byClass), before = answer.familiesBefore && byClass(answer.familiesBefore.byClass);
  const all = answer.families.requests;
  const focused = document.activeElement && document.activeElement.dataset.tile;
  const against = (id) => (before ? before[id] || 0 : undefined);
  $('tiles').replaceChildren(
    el('div', { class: 'tile sum' }, el('span', { class: 'name' }, 'Requests'), el('b', { id: 'total' }, number(all)),
      el('span', { class: 'note' }, ...(answer.familiesBefore && answer.familiesBefore.requests ? [change(all, answer.familiesBefore.requests), ' against the range before'] : ['None in the range before']))),
    ...CLASSES.filter((c) => c.id !== 'other' || now.other).map((c) => el('button', {
      class: 'tile', hue: c.id, 'data-tile': c.id, 'aria-pressed': String(!chart.hidden.has(c.id)), title: 'Show or hide in the chart',
      onclick: () => { chart.hidden.has(c.id) ? chart.hidden.delete(c.id) : chart.hidden.add(c.id); tiles(view); chart.draw(); },
    }, el('span', { class: 'name' }, el('i', { class: 'swatch' }), c.name), el('b', {}, number(now[c.id] || 0)),
      el('span', { class: 'note' }, `${percent(now[c.id] || 0, all)} `, change(now[c.id] || 0, against(c.id))))));
  if (focused) { const tile = $('tiles').querySelector(`[data-tile="${focused}"]`); if (tile) tile.focus(); }
}

function legend(answer) {
  const peak = answer.buckets.reduce((most, b) => (b.requests > most.requests ? b : most));
  const incomplete = answer.buckets.some((b) => b.incomplete);
  $('legend').replaceChildren(
    `Peak ${number(peak.requests)} a ${answer.size}, ${bucketText(peak.start, answer.size)} `,
    answer.buckets.some((b) => b.before) ? el('span', {}, '· ', el('i', { class: 'dash' }), 'range before') : '',
    incomplete ? ' · some windows are incomplete: counts were lost to damage' : '');
}

function table(answer) {
  if (!$('as-table').open) return;
  const head = CLASSES.filter((c) => answer.buckets.some((b) => b.classes[c.id]));
  $('series').replaceChildren(el('table', { class: 'list' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'From (UTC)'), el('th', { scope: 'col' }, 'Requests'), el('th', { scope: 'col' }, 'Range before'), ...head.map((c) => el('th', { scope: 'col' }, c.name)))),
    el('tbody', {}, ...answer.buckets.filter((b) => b.requests || b.before).map((b) => el('tr', {},
      el('td', {}, bucketText(b.start, answer.size)), el('td', {}, number(b.requests)), el('td', {}, b.before === undefined ? '–' : number(b.before)), ...head.map((c) => el('td', {}, number(b.classes[c.id] || 0))))))));
}

function list(rows, all, most, before, name) {
  const known = before && new Map(before.top.map((row) => [row.key, row.count]));
  // What is not among the largest of the range before may still have been there.
  const was = (row) => (!before ? undefined : known.has(row.key) ? known.get(row.key) : before.keys > before.top.length ? null : 0);
  return el('table', { class: 'list' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, name), el('th', { scope: 'col' }, 'Requests'), el('th', { scope: 'col', class: 'share' }, 'Share'), el('th', { scope: 'col' }, 'Change'))),
    el('tbody', {}, ...rows.map((row) => {
      const bar = el('span', { class: 'fill' });
      bar.style.width = `${(100 * row.count) / most}%`;
      const long = row.key.length > 60;
      const cell = long ? el('button', { class: 'key', 'aria-expanded': 'false', title: 'Show all of it', onclick: (event) => {
        const open = event.currentTarget.getAttribute('aria-expanded') === 'true';
        event.currentTarget.setAttribute('aria-expanded', String(!open));
      } }, bar, shown(row.key)) : el('span', { class: 'key' }, !row.rest && bar, shown(row.key));
      const past = was(row);
      return el('tr', { class: row.rest && 'rest' }, el('td', {}, cell), el('td', {}, number(row.count)), el('td', { class: 'note share' }, percent(row.count, all)),
        el('td', {}, row.rest || past === null ? '' : change(row.count, past)));
    })));
}

const more = (text, onclick) => el('button', { class: 'more', onclick }, text);

// Rows that somebody has opened stay as they are while numbers change below the reader's eyes.
function keepOpen(host, draw) {
  const keys = (node) => node.querySelector('bdi').textContent;
  const open = [...host.querySelectorAll('.key[aria-expanded="true"]')].map(keys);
  const focused = host.contains(document.activeElement) ? document.activeElement : null;
  const held = focused && (focused.matches('.key') ? keys(focused) : focused.textContent);
  draw();
  for (const node of host.querySelectorAll('button')) {
    const name = node.matches('.key') ? keys(node) : node.textContent;
    if (node.matches('.key') && open.includes(name)) node.setAttribute('aria-expanded', 'true');
    if (held !== null && name === held) node.focus();
  }
}

function paths(answer) {
  const { top: rows, other, keys, requests } = answer.paths;
  const some = rows.slice(0, expanded.paths ? TOP : ROWS);
  const rest = requests - some.reduce((sum, row) => sum + row.count, 0);
  const unnamed = other && keys <= rows.length ? ' and those no window had room for' : '';
  const shownRows = rest > 0 ? [...some, { key: `other paths${unnamed}`, count: rest, rest: true }] : some;
  $('paths-note').textContent = `${number(keys)} ${keys === 1 ? 'path' : 'paths'}`;
  keepOpen($('paths'), () => $('paths').replaceChildren(
    list(shownRows, requests, Math.max(1, ...some.map((row) => row.count)), answer.pathsBefore, 'Path'),
    rows.length > ROWS ? more(expanded.paths ? 'Show fewer' : `Show ${rows.length}`, () => { expanded.paths = !expanded.paths; paths(view); }) : ''));
}

function families(answer) {
  const { top: rows, keys, requests, other } = answer.families;
  const sums = byClass(answer.families.byClass);
  const most = Math.max(1, ...rows.map((row) => row.count));
  $('families-note').textContent = `${number(keys)} ${keys === 1 ? 'family' : 'families'}`;
  keepOpen($('families'), () => $('families').replaceChildren(...CLASSES.flatMap((c) => {
    const of = rows.filter((row) => classOf(row.class) === c.id);
    if (!of.length && !sums[c.id]) return [];
    const all = expanded.families.has(c.id), least = 5;
    const part = el('div', { hue: c.id, 'data-class': c.id },
      el('h3', {}, el('i'), c.name, el('span', {}, `${number(c.id === 'other' ? other : sums[c.id])} · ${percent(c.id === 'other' ? other : sums[c.id], requests)}`)),
      of.length ? list(of.slice(0, all ? of.length : least), requests, most, answer.familiesBefore, 'Family') : '',
      of.length > least ? more(all ? `Show fewer ${c.name.toLowerCase()}` : `Show ${of.length} ${c.name.toLowerCase()}`, () => { all ? expanded.families.delete(c.id) : expanded.families.add(c.id); families(view); }) : '');
    return [part];
  })));
}

// ── Nothing to show ─────────────────────────────────────────────────────────────────────────────────────────────

function message(title, words, buttons = [], code = '') {
  $('numbers').hidden = true;
  $('message').hidden = false;
  $('message').replaceChildren(el('h2', {}, title), ...words.map((text) => el('p', {}, text)),
    code ? el('pre', { tabindex: 0 }, code) : '',
    el('div', { class: 'row' }, ...buttons.map(([text, onclick], i) => el('button', { class: i ? '' : 'strong', onclick }, text))));
}

async function empty(answer, signal) {
  const days = await windows(state.customer, EARLIEST, LATEST, 'day', signal).then((all) => all.windows, () => []);
  if (signal.aborted) return;
  const range = rangeText(answer.from, answer.to, answer.size);
  if (days.length) {
    const newest = Date.parse(days[days.length - 1].windowStart);
    return message('No requests in this range', [`${answer.customer} has none in ${range}. The newest are of ${dayMonthYear(newest)}.`],
      [[`Show ${dayMonthYear(newest)}`, () => go({ range: '', from: newest, to: newest + DAY })]]);
  }
  message('No requests yet', [`Nothing was counted for ${answer.customer} so far. Check the customer’s id, or send a batch; it shows up here at once:`], [['Look again', () => load()]],
    `curl ${location.origin}/logs -H 'x-customer-id: ${answer.customer.replaceAll("'", "'\\''")}' -H 'content-type: application/json' \\\n  -d '[{"receivedAt":"${instant(Math.floor(Date.now() / 1000) * 1000)}","method":"GET","path":"/","userAgent":"curl/8"}]'`);
}

function trouble(error, quiet) {
  const { status } = error;
  const text = error.message || '';
  delete document.body.dataset.wait;
  const retry = ['Try again', () => load()];
  const useKey = ['Enter a key', openKey];
  let what;
  if (status === 401) what = ['A key is needed', ['The server, or the gateway before it, lets nobody in without. Enter the API key that your gateway knows, or an operator’s token.'], [useKey]];
  else if (status === 400 && text.includes('x-customer-id')) what = ['Whose requests?', ['Enter the customer’s id above: the one that the gateway sends with the batches as x-customer-id.'], [['Choose a customer', () => $('customer').focus()], useKey]];
  else if (status === 400 && text.includes('max_query')) what = ['That is more than one question may cost', [text], [['Zoom in', zoomIn], retry]];
  else if (status === 0 || status === 429 || status >= 500) {
    document.body.dataset.wait = 'yes';
    what = [status ? 'The server cannot answer now' : 'The server cannot be reached', [`${status ? text || `It answered ${status}.` : 'Is it running, and the network up?'} It is asked again by itself.`], [retry]];
  } else what = ['The server did not answer that', [text || `It answered ${status}.`, error.requestId ? `Request ${error.requestId}` : ''], [retry]];
  if (view && quiet && document.body.dataset.wait) {
    document.body.classList.add('stale');
    $('banner').hidden = false;
    $('banner').textContent = `Not newer than ${clockSeconds(view.at)}. ${what[0]}: ${what[1][0]}`;
    return;
  }
  view = null;
  message(...what);
}

// ── What people do ──────────────────────────────────────────────────────────────────────────────────────────────

function go(changes) {
  Object.assign(state, changes);
  writeAddress();
  load();
}

function zoomIn() {
  const p = plan();
  go({ range: '', from: Math.floor((p.to - p.span / 4) / MINUTE) * MINUTE, to: p.to });
}

function zoomOut() {
  const p = plan();
  const now = Math.ceil(Date.now() / MINUTE) * MINUTE;
  const to = Math.min(Math.max(now, p.to), p.to + p.span / 2);
  const from = Math.max(EARLIEST, to - Math.min(2 * p.span, 10 * PRESETS['1y']));
  go({ range: '', from, to: Math.min(LATEST, to) });
}

function openKey() {
  $('key-value').value = key.get();
  $('keys-dialog').showModal();
}

async function listCustomers() {
  const found = key.get() ? await customers().catch(() => []) : [];
  $('customers').replaceChildren(...found.map((customer) => el('option', { value: customer })));
}

function useKey(value) {
  key.set(value);
  $('keys-dialog').close();
  listCustomers();
  load();
}

// A cell of a table that a spreadsheet must not take for a formula.
const cell = (value) => {
  const text = /^[=+\-@\t\r]/.test(String(value)) && typeof value !== 'number' ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const csv = (rows) => rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';

async function save(what) {
  const shownNow = view;
  if (!shownNow) return;
  $('export').open = false;
  const { from, to, size } = shownNow;
  const all = (dimension) => top(state.customer, dimension, from, to, EXPORTED);
  try {
    let text, type = 'csv';
    if (what === 'series') {
      text = csv([['windowStart', 'requests', ...CLASSES.map((c) => c.id)], ...shownNow.buckets.map((b) => [instant(b.start), b.requests, ...CLASSES.map((c) => b.classes[c.id] || 0)])]);
    } else if (what === 'json') {
      const [byPath, byFamily] = await Promise.all([all('path'), all('agent')]);
      const series = shownNow.buckets.map(({ start, requests, classes }) => ({ windowStart: instant(start), requests, requestsByClass: classes }));
      text = JSON.stringify({ customerId: shownNow.customer, from: instant(from), to: instant(to), windowSize: size, windows: series, paths: byPath, families: byFamily }, null, 1);
      type = 'json';
    } else {
      const answer = await all(what === 'paths' ? 'path' : 'agent');
      const rest = answer.other ? [['(other)', answer.other, 'other']] : [];
      const rows = [...answer.top.map((row) => [row.key, row.count, row.class]), ...rest];
      text = csv([[what === 'paths' ? 'path' : 'family', 'requests', ...(what === 'paths' ? [] : ['class'])], ...rows.map((row) => (what === 'paths' ? row.slice(0, 2) : row))]);
    }
    const link = el('a', { download: `${shownNow.customer.replace(/[^\w.-]/g, '_')}-${what === 'json' ? 'all' : what}-${instant(from).slice(0, 10)}.${type}`, href: URL.createObjectURL(new Blob([text], { type: type === 'csv' ? 'text/csv' : 'application/json' })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    $('banner').hidden = false;
    $('banner').textContent = `Nothing was saved: ${error.message || 'the server cannot be reached'}`;
  }
}

const THEMES = ['auto', 'light', 'dark'];
function theme(name) {
  const next = THEMES.includes(name) ? name : 'auto';
  document.documentElement.dataset.theme = next;
  $('theme').children[1].textContent = next[0].toUpperCase() + next.slice(1);
  try { localStorage.setItem('log-analytics-theme', next); } catch { /* for this page only */ }
}

const chart = new Chart($('chart'), (from, to) => go({ range: '', from, to }), zoomOut);
$('presets').append(...Object.keys(PRESETS).map((name) => el('button', { value: name, onclick: () => go({ range: name }) }, name)));
$('who').addEventListener('submit', (event) => { event.preventDefault(); $('customer').blur(); });
$('customer').addEventListener('focus', listCustomers);
$('customer').addEventListener('change', () => go({ customer: $('customer').value.trim(), implied: '' }));
$('span').addEventListener('submit', (event) => {
  event.preventDefault();
  const [from, to] = ['from', 'to'].map((id) => Date.parse(`${$(id).value}Z`));
  if (from >= EARLIEST && to > from) { $('custom').open = false; go({ range: '', from, to }); }
  else { $('to').setCustomValidity('The end must come after the beginning.'); $('to').reportValidity(); }
});
$('to').addEventListener('input', () => $('to').setCustomValidity(''));
$('window').addEventListener('change', () => go({ window: $('window').value }));
$('out').addEventListener('click', zoomOut);
$('live').addEventListener('click', () => { state.live = !state.live; load(true); });
$('key').addEventListener('click', openKey);
$('key-form').addEventListener('submit', (event) => { event.preventDefault(); useKey($('key-value').value.trim()); });
$('forget').addEventListener('click', () => useKey(''));
$('cancel').addEventListener('click', () => $('keys-dialog').close());
$('export').addEventListener('click', (event) => { if (event.target.dataset.export) save(event.target.dataset.export); });
$('theme').addEventListener('click', () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % 3]));
$('as-table').addEventListener('toggle', () => view && table(view));
$('skip').addEventListener('click', (event) => { event.preventDefault(); $('main').focus(); });
for (const menu of document.querySelectorAll('.menu')) {
  menu.addEventListener('keydown', (event) => { if (event.key === 'Escape') { menu.open = false; menu.firstElementChild.focus(); } });
  document.addEventListener('pointerdown', (event) => { if (!menu.contains(event.target)) menu.open = false; });
}
document.addEventListener('visibilitychange', () => { if (document.hidden) { clearTimeout(timer); next(plan()); } else if (live() || failures) load(true); });
window.addEventListener('popstate', () => { readAddress(); load(); });

try { theme(localStorage.getItem('log-analytics-theme')); } catch { theme('auto'); }
readAddress();
writeAddress(true);
listCustomers();
load();
