// Loads what the address asks for and shows it: first the cards and the chart, then the tables; and again after a
// while.

let view = null, pending = new AbortController(), timer = 0, failures = 0;

// The answers for the range before, which are asked for again only when that range moves.
const memory = new Map();
function remembered(name, from, to, question) {
  const id = [state.customer, state.where, zone.name, from, to, key.get()].join(' ');
  const known = memory.get(name);
  if (known && known.id === id) return known.answer;
  const answer = question(from, to);
  memory.set(name, { id, answer });
  answer.catch(() => memory.delete(name));
  return answer;
}

async function numbers(p, signal) {
  // No customer is named, but a gateway may name one: the answer to one question tells.
  const known = state.customer || state.implied ? null : await totals(p.from, p.to, signal);
  const past = p.pastFrom >= EARLIEST;
  const [sums, series, sumsBefore, seriesBefore] = await Promise.all([
    known || totals(p.from, p.to, signal),
    windows(p.from, p.to, p.size, signal),
    past ? remembered('totals', p.pastFrom, p.pastTo, (from, to) => totals(from, to)) : null,
    past ? remembered('series', p.pastFrom, p.pastEnd, (from, to) => windows(from, to, p.size)) : null,
  ]);
  const measures = (answer) => measuresOf(answer.windows[0], state.people);
  return {
    ...p, customer: sums.customerId, totals: sums, series, now: measures(sums), before: sumsBefore && sumsBefore.windows.length ? measures(sumsBefore) : undefined,
    buckets: buckets(p, series.windows, seriesBefore && seriesBefore.windows), at: Date.now(),
  };
}

function buckets(p, windowsNow, windowsBefore) {
  const byStart = (found) => new Map((found || []).map((w) => [Date.parse(w.windowStart), w]));
  const now = byStart(windowsNow), before = byStart(windowsBefore);
  const startsBefore = windowStarts(p.pastFrom, p.pastEnd, p.size);
  return p.starts.map((start, i) => ({
    start, end: windowStart(start, p.size, 1), now: measuresOf(now.get(start), state.people), incomplete: (now.get(start) || {}).incomplete,
    before: windowsBefore && startsBefore[i] !== undefined ? measuresOf(before.get(startsBefore[i]), state.people) : undefined,
  }));
}

// `quiet` is for loading that nobody asked for: it is not announced, and what is shown stays until the answers are
// here.
async function load(quiet) {
  clearTimeout(timer);
  pending.abort();
  pending = new AbortController();
  const { signal } = pending, p = plan();
  drawControls(p);
  document.body.classList.toggle('loading', !quiet);
  try {
    if (state.listing) await loadCustomers(signal);
    else await loadNumbers(p, signal, quiet);
    if (signal.aborted) return;
    failures = 0;
    delete document.body.dataset.wait;
    document.body.classList.remove('loading', 'stale');
    $('banner').hidden = true;
  } catch (error) {
    if (error.name === 'AbortError' || signal.aborted) return;
    document.body.classList.remove('loading');
    if (!(error instanceof ApiError)) console.error(error);
    if (await chooseCustomer(error, signal)) return;
    failures += 1;
    trouble(error, quiet);
  }
  again(p);
}

async function loadNumbers(p, signal, quiet) {
  $('listing').hidden = true;
  const shown = await numbers(p, signal);
  if (signal.aborted) return;
  view = shown;
  state.implied = state.customer ? '' : shown.customer;
  if (document.activeElement !== $('customer')) $('customer').value = shown.customer;
  document.title = `${shown.customer} · Log analytics`;
  const none = !shown.now.requests && !(shown.before || NOTHING).requests && !shown.buckets.some((b) => b.before && b.before.requests);
  for (const button of $('export').querySelectorAll('button')) button.disabled = none;
  if (none) return sayEmpty(shown, signal);
  $('numbers').hidden = false;
  $('message').hidden = true;
  drawNumbers(shown);
  if (!quiet) $('said').textContent = `${plural(shown.now.requests, 'request')}, ${rangeText(p.from, p.to, p.size)}`;
  // With a filter, the server reads lines for every question: they are asked one after the other, that for lines
  // first.
  await loadLines(shown, signal);
  if (state.where) for (const table of tables) await table.load(shown, signal);
  else await Promise.all(tables.map((table) => table.load(shown, signal)));
  if (!signal.aborted) drawMissing(shown);
}

function drawNumbers(shown) {
  drawCards(shown);
  chart.show(shown.buckets, shown.size, METRICS.find((m) => m.id === state.metric));
  drawLegend(shown, chart, switchSeries);
  drawSeries(shown);
  drawStatuses(shown);
  $('notes').replaceChildren(...[coverText(shown), state.people ? 'Without robots: cards and timelines leave them out in full, tables in their requests; errors, latency and bytes of a row are of all its requests.' : '']
    .filter(Boolean).map((text) => el('p', {}, text)));
}

// What an answer covers, if that is less than was asked for.
function coverText({ totals: sums, from }) {
  const parts = [];
  if (sums.rounded) parts.push(`Older windows were removed, so the range is rounded to ${rangeText(Date.parse(sums.from), Date.parse(sums.to), 'minute')}.`);
  if (sums.bodies && Date.parse(sums.bodies.from) > from) parts.push(`A filter counts the lines that the journal holds: here those since ${windowText(Date.parse(sums.bodies.from), 'minute')}.`);
  return parts.join(' ');
}

function drawSeries(shown) {
  if (!$('as-table').open) return;
  const metric = METRICS.find((m) => m.id === state.metric), text = metric.bar || metric.text;
  const series = metric.series.filter((s) => shown.buckets.some((b) => s.value(b.now)));
  const value = (s, m) => (s.value(m) === undefined ? '–' : text(s.value(m)));
  const heads = [`From (${zone.name})`, 'Requests', 'Range before', ...series.map((s) => s.name)].map((name) => th(name));
  const row = (b) => [windowText(b.start, shown.size), number(b.now.requests), b.before ? number(b.before.requests) : '–', ...series.map((s) => value(s, b.now))];
  $('series').replaceChildren(table(heads, shown.buckets.filter((b) => b.now.requests || (b.before && b.before.requests)).map((b) => el('tr', {}, ...row(b).map((text) => td(text))))));
}

// If neither the page nor a gateway names a customer: shows the only one there is, or the list of all.
async function chooseCustomer(error, signal) {
  if (error.status !== 400 || !error.message.includes('x-customer-id') || state.listing) return false;
  const all = await customers(signal).catch(() => []);
  if (signal.aborted || !all.length) return false;
  go(all.length === 1 ? { customer: all[0].customerId } : { listing: true }, true);
  return true;
}

function trouble(error, quiet) {
  const { title, words, buttons, waits } = explain(error);
  if (waits) document.body.dataset.wait = 'yes'; else delete document.body.dataset.wait;
  if (view && quiet && waits) {
    document.body.classList.add('stale');
    $('banner').hidden = false;
    $('banner').textContent = `Not newer than ${clockSeconds(view.at)}. ${title}: ${words[0]}`;
    return;
  }
  view = null;
  $('listing').hidden = true;
  message(title, words, buttons);
}

// When to ask again: often for a live range, seldom with a filter, and less and less often while the server has
// trouble.
function again(p) {
  clearTimeout(timer);
  const live = isLive() && (view || state.listing) && !failures;
  const wait = failures ? Math.min(60000, 2500 * 2 ** failures) : state.where || state.listing ? 60000 : { minute: 5000, hour: 20000, day: 60000, month: 60000 }[p.size];
  if (!document.hidden && (live || document.body.dataset.wait)) timer = setTimeout(() => load(true), wait);
  const often = live ? (document.hidden ? ' · paused' : ` · every ${wait / 1000} s`) : '';
  $('updated').textContent = view && !state.listing ? `Updated ${clockSeconds(view.at)}${often}` : '';
}
