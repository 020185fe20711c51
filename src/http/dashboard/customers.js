// The operator's page: all customers, what each sends, what of it was refused, and how much space it takes. A row
// leads to the customer's own page.

const REFUSED = (one) => sumOf(one.refused || {});
const CUSTOMER_COLUMNS = [
  { id: 'entries', name: 'Entries', text: number, of: (one) => one.entries },
  { id: 'refused', name: 'Refused batches', text: number, of: REFUSED, worse: true },
  { id: 'altered', name: 'Altered fields', text: number, of: (one) => sumOf(one.altered || {}) },
  { id: 'folded', name: 'Folded keys', text: number, of: (one) => one.foldedKeys },
  { id: 'bytesOnDisk', name: 'Disk', text: bytes, of: (one) => one.bytesOnDisk },
  { id: 'firstSeen', name: 'First seen', text: (ms) => dayMonthYear(ms), of: (one) => Date.parse(one.firstSeen) || undefined },
  { id: 'lastSeen', name: 'Last seen', text: (ms) => `${dayMonth(ms)}, ${clock(ms)}`, of: (one) => Date.parse(one.lastSeen) || undefined },
];

const listing = { all: [], sort: 'entries', filter: '' };

async function loadCustomers(signal) {
  listing.all = await customers(signal);
  if (signal.aborted) return;
  $('message').hidden = $('numbers').hidden = true;
  $('listing').hidden = false;
  document.title = 'Customers · Log analytics';
  drawCustomers();
}

function drawCustomers() {
  const column = CUSTOMER_COLUMNS.find((c) => c.id === listing.sort);
  const found = listing.all.filter((one) => one.customerId.toLowerCase().includes(listing.filter))
    .sort((a, b) => (column.of(b) || 0) - (column.of(a) || 0) || (a.customerId < b.customerId ? -1 : 1));
  const columns = CUSTOMER_COLUMNS.filter((c) => listing.all.some((one) => c.of(one) !== undefined));
  $('listing-note').textContent = `${plural(found.length, 'customer')}${listing.all.length >= MAX_CUSTOMERS ? ', the first of more' : ''} · refused, altered and folded since the server started`;
  const sort = (id) => { listing.sort = id; drawCustomers(); };
  const heads = [th('Customer'), ...columns.map((c) => sortHead(c, c.id === listing.sort, sort))];
  keepFocus($('listing-body'), () => $('listing-body').replaceChildren(
    scrolled('Customers', table(heads, found.flatMap((one) => customerRows(one, columns)), 'customers'), 'tall')));
}

function customerRows(one, columns) {
  const cell = (c) => td(c.of(one) === undefined ? '–' : c.text(c.of(one)), { class: c.worse && c.of(one) ? 'worse' : '' });
  const row = el('tr', {}, td(el('button', { class: 'key', onclick: () => go({ customer: one.customerId, listing: false, where: '' }) }, shown(one.customerId))), ...columns.map(cell));
  const errors = one.refusals || [];
  if (!REFUSED(one) && !errors.length) return [row];
  const reasons = Object.entries(one.refused || {}).map(([reason, count]) => `${reason} ${number(count)}`).join(' · ');
  return [row, el('tr', { class: 'errors' }, td(el('details', {}, el('summary', {}, `Refused: ${reasons}`),
    el('ul', {}, ...errors.map((error) => el('li', {}, `${lineTime(error.at)}: `, `${error.status} `, shown(error.errorDescription), error.batches > 1 ? ` ×${number(error.batches)}` : '')))), { colspan: columns.length + 1 }))];
}
