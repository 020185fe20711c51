// The cards: one number for each metric, its change against the range before, and which one the chart shows. Beside
// them the legend of the chart, and the statuses.

function drawCards(shown) {
  const { now, before } = shown;
  const usable = METRICS.filter((m) => (!m.needs || m.needs(now)) && !(m.id === 'robots' && state.people));
  if (!usable.some((m) => m.id === state.metric)) state.metric = 'requests';
  keepFocus($('cards'), () => $('cards').replaceChildren(...usable.map((metric) => card(metric, now, before))));
}

function card(metric, now, before) {
  const value = metric.total(now), was = before && (!metric.needs || metric.needs(before)) ? metric.total(before) : undefined;
  return el('button', { class: 'tile', 'data-metric': metric.id, 'aria-pressed': String(metric.id === state.metric), title: `Show ${metric.name.toLowerCase()} over time`, onclick: () => showMetric(metric.id) },
    el('bdi', { class: 'name' }, metric.name),
    el('b', { id: metric.id === 'requests' && 'total' }, value === undefined ? '–' : metric.text(value)),
    was !== undefined && note(change(value, was, metric), metric.text(was) === metric.text(value) ? '' : ` was ${metric.text(was)}`),
    metric.note && note(metric.note(now)));
}

// The series of the chart: each can be switched off, and shows its sum and share where it has them.
function drawLegend(shown, chart, onSwitch) {
  const metric = METRICS.find((m) => m.id === state.metric);
  const incomplete = shown.buckets.some((b) => b.incomplete);
  const has = metric.series.filter((s) => shown.buckets.some((b) => s.value(b.now)));
  $('over-time').textContent = `${metric.lines && metric.id === 'errors' ? 'Errors' : metric.name.replace(' p95', '')} over time`;
  $('chart').setAttribute('aria-label', $('over-time').textContent);
  keepFocus($('legend'), () => $('legend').replaceChildren(...[
    ...(metric.series.length > 1 ? has.map((s) => el('button', { class: 'chip', 'data-series': s.id, hue: s.id, 'aria-pressed': String(!chart.hidden.has(s.id)), title: 'Show or hide', onclick: () => onSwitch(s.id) },
      el('i', { class: 'swatch' }), el('bdi', {}, s.name), note(metric.lines ? valueText(metric, s.value(shown.now)) : `${number(s.value(shown.now))} · ${percent(s.value(shown.now), shown.now.requests)}`))) : []),
    chart.compares && note(el('i', { class: 'dash' }), shown.pastName),
    incomplete && note('Some windows are incomplete: counts were lost to damage.')].filter(Boolean)));
}

// What the most frequent codes mean, for those who do not know them by heart.
const MEANINGS = {
  200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other',
  304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found',
  405: 'Method Not Allowed', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone', 413: 'Content Too Large', 422: 'Unprocessable Content',
  429: 'Too Many Requests', 499: 'Client Closed Request', 500: 'Internal Server Error', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout',
};

const MOST_CODES = 10;

function drawStatuses({ now, before }) {
  const codes = Object.entries(now.status).sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  $('status').hidden = !codes.length;
  const all = sumOf(now.status);
  const groups = STATUSES.map((s) => [s, codes.filter(([code]) => statusClass(code) === s).reduce((sum, [, count]) => sum + count, 0)]).filter(([, count]) => count);
  $('status-note').textContent = plural(codes.length, 'code');
  keepFocus($('statuses'), () => $('statuses').replaceChildren(
    el('div', { class: 'share-bar', 'aria-hidden': 'true' }, ...groups.map(([s, count]) => { const part = el('i', { hue: s.id }); part.style.flexGrow = count; return part; })),
    table(['Status', 'Requests', 'Share', ...(before ? ['Change'] : [])].map((name) => th(name)), codes.slice(0, MOST_CODES).map(([code, count]) => statusRow(code, count, all, before)))));
}

function statusRow(code, count, all, before) {
  const wanted = term('status', code), isSet = terms().includes(wanted);
  return el('tr', {}, td(el('button', { class: 'key', hue: statusClass(code).id, 'aria-pressed': String(isSet), title: 'Its timeline and its lines', onclick: () => go({ where: isSet ? withoutTerms([wanted]) : withTerms([wanted]) }) },
    el('i', { class: 'swatch' }), el('bdi', {}, code), ` ${MEANINGS[code] || statusClass(code).name}`)),
  td(number(count)), td(percent(count, all)), before && td(change(count, before.status[code] || 0)));
}
