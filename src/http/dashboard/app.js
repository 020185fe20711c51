// The page's controls: each changes the state, which is written into the address and loaded.

function go(changes, replace) {
  Object.assign(state, changes);
  writeAddress(replace);
  load();
}

// The answer at hand has all metrics, so nothing is asked.
function showMetric(metric) {
  state.metric = metric;
  writeAddress();
  drawNumbers(view);
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

// This month or an earlier one, of the zone of the page.
function showMonth(away) {
  const from = windowStart(Date.now(), 'month', away);
  $('custom').open = false;
  go({ range: '', from, to: windowStart(from, 'month', 1) });
}

function openKey() {
  $('key-value').value = key.get();
  $('keys-dialog').showModal();
}

function changeKey(value) {
  key.set(value);
  $('keys-dialog').close();
  load();
}

async function suggestCustomers() {
  if ($('customers').children.length) return;
  const found = await customers().catch(() => []);
  $('customers').replaceChildren(...found.map((one) => el('option', { value: one.customerId })));
}

function switchSeries(id) {
  if (!chart.hidden.delete(id)) chart.hidden.add(id);
  chart.draw();
  drawLegend(view, chart, switchSeries);
}

function showRange(event) {
  event.preventDefault();
  const [from, to] = ['from', 'to'].map((id) => fromInput($(id).value));
  if (from >= EARLIEST && to > from) { $('custom').open = false; go({ range: '', from, to }); }
  else { $('to').setCustomValidity('The end must come after the beginning.'); $('to').reportValidity(); }
}

// Shows the state on the controls, before the server has answered.
function drawControls(p) {
  for (const button of $('presets').children) button.setAttribute('aria-pressed', String(button.value === state.range));
  $('live').setAttribute('aria-pressed', String(isLive()));
  $('live').disabled = !state.range && state.to <= Date.now();
  $('people').setAttribute('aria-pressed', String(state.people));
  $('zone').textContent = zone.local ? zone.name : 'UTC';
  $('window').value = state.window;
  for (const option of $('window').options) {
    option.disabled = option.value !== 'auto' && p.span / SIZES[option.value] > MAX_WINDOWS;
    if (option.value === 'auto') option.textContent = `auto (${p.suited})`;
  }
  $('shown').textContent = rangeText(p.from, p.to, p.size);
  $('custom').firstElementChild.classList.toggle('strong', !state.range);
  $('range').hidden = state.listing;
  $('all-customers').setAttribute('aria-pressed', String(state.listing));
  if (document.activeElement !== $('customer')) $('customer').value = state.customer || state.implied;
  $('from').value = toInput(p.from);
  $('to').value = toInput(p.to);
  $('key').textContent = key.get() ? 'Key ✓' : 'Key';
  $('lines-open').open = $('lines-open').open || Boolean(state.where);
  drawFilter();
}

// The terms of the filter, each with a button that takes it away, and a field for another one.
function drawFilter() {
  $('filter').hidden = !state.where || state.listing;
  $('terms').replaceChildren(...terms().map((one) => el('button', { class: 'chip term', onclick: () => go({ where: withoutTerms([one]) }) }, shown(one), el('span', { 'aria-hidden': 'true' }, '✕'), el('span', { class: 'unseen' }, ' remove'))));
}

function addTerm(event) {
  event.preventDefault();
  const added = $('term').value.trim();
  $('term').value = '';
  if (added) go({ where: [...terms(), added].join(',') });
}

const THEMES = ['auto', 'light', 'dark'];
function theme(name) {
  const next = THEMES.includes(name) ? name : 'auto';
  document.documentElement.dataset.theme = next;
  $('theme').children[1].textContent = next[0].toUpperCase() + next.slice(1);
  try { localStorage.setItem('log-analytics-theme', next); } catch { /* for this page only */ }
}

const chart = new Chart($('chart'));
new Cursor(chart, (from, to) => go({ range: '', from, to }), zoomOut);
const tables = DIMENSIONS.map((dimension) => new DimensionTable(dimension, $('tables')));
$('country').before($('status'));

const on = (id, event, act) => $(id).addEventListener(event, act);
$('presets').append(...Object.keys(PRESETS).map((name) => el('button', { value: name, onclick: () => go({ range: name }) }, name)));
on('who', 'submit', (event) => { event.preventDefault(); $('customer').blur(); });
on('customer', 'focus', suggestCustomers);
on('customer', 'change', () => go({ customer: $('customer').value.trim(), implied: '', listing: false }));
on('all-customers', 'click', () => go({ listing: !state.listing }));
on('listing-filter', 'input', () => { listing.filter = $('listing-filter').value.trim().toLowerCase(); drawCustomers(); });
on('span', 'submit', showRange);
on('to', 'input', () => $('to').setCustomValidity(''));
on('this-month', 'click', () => showMonth(0));
on('last-month', 'click', () => showMonth(-1));
on('window', 'change', () => go({ window: $('window').value }));
on('out', 'click', zoomOut);
on('people', 'click', () => go({ people: !state.people }));
on('zone', 'click', () => { zone.local = !zone.local; go({}); });
on('live', 'click', () => { state.live = !state.live; load(true); });
on('key', 'click', openKey);
on('key-form', 'submit', (event) => { event.preventDefault(); changeKey($('key-value').value.trim()); });
on('forget', 'click', () => changeKey(''));
on('cancel', 'click', () => $('keys-dialog').close());
on('export', 'click', (event) => { if (event.target.dataset.export) save(event.target.dataset.export); });
on('theme', 'click', () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % 3]));
on('as-table', 'toggle', () => view && drawSeries(view));
on('lines-open', 'toggle', () => view && $('lines-open').open && loadLines(view, pending.signal));
on('add-term', 'submit', addTerm);
on('clear', 'click', () => go({ where: '' }));
on('skip', 'click', (event) => { event.preventDefault(); $('main').focus(); });
for (const menu of document.querySelectorAll('.menu')) {
  menu.addEventListener('keydown', (event) => { if (event.key === 'Escape') { menu.open = false; menu.firstElementChild.focus(); } });
  document.addEventListener('pointerdown', (event) => { if (!menu.contains(event.target)) menu.open = false; });
}
document.addEventListener('visibilitychange', () => { if (document.hidden) again(plan()); else if (isLive() || failures) load(true); });
window.addEventListener('popstate', () => { readAddress(); load(); });

try { theme(localStorage.getItem('log-analytics-theme')); } catch { theme('auto'); }
readAddress();
writeAddress(true);
load();
