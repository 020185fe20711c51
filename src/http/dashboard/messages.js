// What the page says where there is nothing to show: why, and what to do about it.

function message(title, words, buttons = [], code = '') {
  $('numbers').hidden = true;
  $('message').hidden = false;
  $('message').replaceChildren(el('h2', {}, title), ...words.filter(Boolean).map((text) => el('p', {}, text)),
    code ? el('pre', { tabindex: 0 }, code) : '',
    el('div', { class: 'row' }, ...buttons.map(([text, onclick], i) => el('button', { class: i ? '' : 'strong', onclick }, text))));
}

const clearFilter = ['Remove the filter', () => go({ where: '' })];

async function sayEmpty(shown, signal) {
  const range = rangeText(shown.from, shown.to, shown.size);
  if (state.where) return message('No such requests in this range', [`Of ${shown.customer}, in ${range}, no line that the journal still holds fits the filter ${state.where}.`, coverText(shown)], [clearFilter]);
  const days = await windows(EARLIEST, LATEST, 'day', signal).then((all) => all.windows, () => []);
  if (signal.aborted) return undefined;
  if (days.length) {
    const newest = Date.parse(days[days.length - 1].windowStart);
    return message('No requests in this range', [`${shown.customer} has none in ${range}. The newest are of ${dayMonthYear(newest)}.`],
      [[`Show ${dayMonthYear(newest)}`, () => go({ range: '', from: newest, to: newest + DAY })]]);
  }
  return message('No requests yet', [`Nothing was counted for ${shown.customer} so far. Check the customer’s id, or send a batch; it shows up here at once:`], [['Look again', () => load()]],
    `curl ${location.origin}/logs -H 'x-customer-id: ${shown.customer.replaceAll("'", "'\\''")}' -H 'content-type: application/json' \\\n  -d '[{"receivedAt":"${instant(Math.floor(Date.now() / 1000) * 1000)}","method":"GET","path":"/","userAgent":"curl/8","status":200}]'`);
}

// What an error means, as a title, words and buttons. `waits` where the server is asked again by itself.
function explain({ status, message: text, requestId }) {
  const retry = ['Try again', () => load()], useKey = ['Enter a key', openKey];
  if (status === 401 && key.get()) return { title: 'This key is wrong', words: ['Neither the server nor the gateway before it accepts the key that you entered. Enter the API key that your gateway knows, or an operator’s token.'], buttons: [['Enter another key', openKey], ['Forget this key', () => changeKey('')]] };
  if (status === 401) return { title: 'A key is needed', words: ['The server, or the gateway before it, lets nobody in without. Enter the API key that your gateway knows, or an operator’s token.'], buttons: [useKey] };
  if (status === 400 && text.includes('x-customer-id')) return { title: 'Whose requests?', words: ['Enter the customer’s id above: the one that the gateway sends with the batches as x-customer-id.'], buttons: [['Choose a customer', () => $('customer').focus()], useKey] };
  if (status === 400 && text.includes('max_query')) return { title: 'That is more than one question may cost', words: [text], buttons: [['Zoom in', zoomIn], ...(state.where ? [clearFilter] : []), retry] };
  if (status === 400 && state.where) return { title: 'The filter cannot be used', words: [text], buttons: [clearFilter, retry] };
  if (status === 0) return { title: 'The server cannot be reached', words: ['Is it running, and the network up? It is asked again by itself.'], buttons: [retry], waits: true };
  if (status === 429 || status >= 500) return { title: 'The server cannot answer now', words: [`${text || `It answered ${status}.`} It is asked again by itself.`], buttons: [retry], waits: true };
  return { title: 'The server did not answer that', words: [text || `It answered ${status || 'something that is not JSON'}.`, requestId ? `Request ${requestId}` : ''], buttons: [retry] };
}

// ── What the data does not say ──────────────────────────────────────────────────────────────────────────────────

// Fields of an entry: how one looks in JSON, what it lets the page show, and its variable in nginx.
const FIELDS = [
  { name: 'status', example: '200', shows: 'error rate and statuses', nginx: '$status', has: (now) => sumOf(now.status) },
  { name: 'durationSeconds', example: '0.042', shows: 'latency', nginx: '$request_time', has: timed },
  { name: 'responseBytes', example: '5120', shows: 'bytes sent', nginx: '$bytes_sent', has: (now) => now.bytes },
  { name: 'clientIp', example: '"203.0.113.7"', shows: 'visitors', nginx: '$remote_addr', has: (now) => now.visitors || now.requests === now.robots },
  { name: 'referrer', example: '"https://news.example/"', shows: 'where visitors come from', nginx: '$http_referer', table: 'referrer' },
  { name: 'host', example: '"shop.example"', shows: 'numbers for each host', nginx: '$host', table: 'host' },
  { name: 'country', example: '"DE"', shows: 'countries', nginx: '$geoip2_data_country_code', table: 'country' },
];

function drawMissing(shown) {
  const missing = FIELDS.filter((field) => (field.table ? tables.some((t) => t.id === field.table && t.answer && !t.answer.top.length) : !field.has(shown.now)));
  $('missing').hidden = !missing.length || Boolean(state.where);
  $('missing-fields').replaceChildren(...missing.map((field) => el('li', {}, `For ${field.shows}: `, el('code', {}, `"${field.name}":${field.example}`), ' (in nginx ', el('code', {}, field.nginx), ')')));
}
