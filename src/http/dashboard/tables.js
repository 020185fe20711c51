// A table for each dimension: its biggest keys by what is asked for. A row's key filters the whole page by it.

const countries = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' });
const countryName = (code) => { try { return countries.of(code); } catch { return ''; } };

// `of`: the dimension's name in the API, if `id` is not that. `shows`: columns that are shown if they hold anything;
// the others are only sorted by. `terms`: the filter that a click on a key adds. `rest`: what the row of all other
// requests is called.
const MEASURED = ['requests', 'share', 'clientErrors', 'serverErrors', 'p95', 'change'], PLAIN = ['requests', 'robots', 'change'];
const DIMENSIONS = [
  { id: 'path', title: 'Paths', big: true, one: 'path', rows: 12, shows: MEASURED, rest: 'other paths', terms: (name) => [term('key', name)] },
  { id: 'failing', of: 'path', title: 'Failing paths', one: 'path', shows: ['clientErrors', 'serverErrors'], terms: (name) => [term('key', name), 'status>=400'] },
  { id: 'referrer', title: 'Referrers', one: 'referrer', rest: 'none, or others', terms: (name) => [term('referrer', name)] },
  { id: 'country', title: 'Countries', one: 'country', many: 'countries', rest: 'unknown, or others', label: countryName, terms: (name) => [term('country', name)] },
  { id: 'userAgent', title: 'Clients', one: 'client', rest: 'other clients', terms: (name) => [term('family', name)] },
  { id: 'host', title: 'Hosts', big: true, one: 'host', shows: MEASURED, rest: 'none, or others', terms: (name) => [term('host', name)] },
];
const ASKED = 100, ASKED_BEFORE = 500, ASKED_TO_FILTER = 10000;

const quantileOf = (name) => (row) => (row.duration ? row.duration[name] : undefined);
// Columns that a table can be sorted by. `of` gives the number of a row; a `sparse` column shows `–` for zero.
const COLUMNS = [
  { id: 'requests', name: 'Requests', text: number, of: (row) => row.requests - (state.people ? row.robots || 0 : 0) },
  { id: 'robots', name: 'Robots', text: number, of: (row) => row.robots || 0, sparse: true },
  { id: 'clientErrors', name: '4xx', text: number, of: (row) => row.clientErrors || 0, hue: 's4', sparse: true },
  { id: 'serverErrors', name: '5xx', text: number, of: (row) => row.serverErrors || 0, hue: 's5', sparse: true },
  { id: 'p50', name: 'p50', text: seconds, of: quantileOf('p50') },
  { id: 'p95', name: 'p95', text: seconds, of: quantileOf('p95') },
  { id: 'p99', name: 'p99', text: seconds, of: quantileOf('p99') },
  { id: 'durationSum', name: 'Time', text: seconds, of: quantileOf('sumSeconds'), title: 'All its requests together' },
  { id: 'responseBytes', name: 'Bytes', text: bytes, of: (row) => row.responseBytes || 0 },
];

const statusColumn = (status) => ({
  id: 'status', name: status, text: number, sparse: true, hue: statusClass(Number(status[0]) * 100).id,
  of: (row) => Object.entries(row.status || {}).reduce((sum, [code, count]) => sum + (code === status || `${code[0]}xx` === status ? count : 0), 0),
});

class DimensionTable {
  constructor(dimension, parent) {
    Object.assign(this, { of: dimension.id, rows: 5, shows: PLAIN }, dimension, { sort: 'requests', status: '', filter: '', all: false, answer: null, past: null, turn: 0 });
    this.note = el('p', { class: 'note' });
    this.search = el('input', { type: 'search', placeholder: 'Filter', 'aria-label': `Filter ${this.title.toLowerCase()}`, spellcheck: 'false', autocomplete: 'off', oninput: () => this.type() });
    this.codes = el('select', { 'aria-label': `Sort ${this.title.toLowerCase()} by`, hidden: true, onchange: () => this.orderBy(this.codes.value) });
    this.body = el('div', {});
    this.card = el('section', { class: `card${this.big ? ' big' : ''}`, id: this.id, 'aria-labelledby': `${this.id}-title`, hidden: true },
      el('div', { class: 'title' }, el('h2', { id: `${this.id}-title` }, this.title), this.note, el('span', { class: 'controls' }, this.codes, this.search)), this.body);
    parent.append(this.card);
  }

  // `shown` is the answer that the cards show; it tells which statuses there are.
  async load(shown, signal) {
    const { from, to, pastFrom, pastTo } = shown;
    this.shown = shown;
    if (this.of !== this.id) {
      const fails = ['serverErrors', 'clientErrors'].filter((id, i) => withStatus(shown.now, 5 - i));
      // With a filter, the server reads lines for every question: one for the paths is enough.
      if (state.where || !fails.length) { this.card.hidden = true; return; }
      if (!fails.includes(this.sort)) [this.sort] = fails;
    }
    const by = this.sort === 'requests' && state.people ? 'people' : this.sort;
    const sort = this.status ? { status: this.status } : { by };
    // With a filter, the range before would have to be read line by line once more.
    const past = state.where || pastFrom < EARLIEST || !this.shows.includes('change') ? null : remembered(`${this.id} ${this.sort}`, pastFrom, pastTo, (start, end) => top(this.of, start, end, { by, n: ASKED_BEFORE }));
    this.wide = Boolean(this.filter);
    this.turn += 1;
    const { turn } = this;
    try {
      const answers = await Promise.all([top(this.of, from, to, { ...sort, n: this.wide ? ASKED_TO_FILTER : ASKED }, signal), past]);
      // The user may have asked for something else meanwhile.
      if (signal.aborted || turn !== this.turn) return;
      [this.answer, this.past] = answers;
      this.draw();
    } catch (error) {
      if (error.name === 'AbortError') return;
      this.card.hidden = false;
      this.body.replaceChildren(note(error.message || 'The server did not answer.'));
    }
  }

  reload() { if (this.shown) this.load(this.shown, pending.signal); }

  order(column, status = '') {
    Object.assign(this, { sort: column, status });
    this.reload();
  }

  // `name` is that of a column or a status.
  orderBy(name) {
    if (COLUMNS.some((c) => c.id === name)) this.order(name); else this.order('requests', name);
  }

  // With the first letter, all keys that the server gives are asked for; further letters look through them.
  type() {
    this.filter = this.search.value.trim().toLowerCase();
    if (this.filter && !this.wide) this.reload(); else this.draw();
  }

  draw() {
    const { answer } = this;
    if (!answer) return;
    const none = !answer.top.length && !this.filter;
    this.card.hidden = none;
    if (none) return;
    const found = answer.top.filter((row) => (!this.filter || row.key.toLowerCase().includes(this.filter)) && (!state.people || COLUMNS[0].of(row)) && (this.of === this.id || row[this.sort]));
    const rows = found.slice(0, this.all ? ASKED : this.rows);
    const columns = this.columns(answer.top);
    this.tell(answer, found);
    keepFocus(this.body, () => this.body.replaceChildren(
      table([th(this.one[0].toUpperCase() + this.one.slice(1)), ...columns.map((c) => this.head(c))], this.lines(rows, columns)),
      found.length > this.rows ? el('button', { class: 'more', onclick: () => { this.all = !this.all; this.draw(); } }, this.all ? 'Show fewer' : `Show ${Math.min(ASKED, found.length)}`) : ''));
  }

  columns(rows) {
    const has = (id) => this.shows.includes(id);
    // A filter by status makes this column equal to the requests: then it is left out.
    const tells = (c) => rows.some((row) => c.of(row)) && !(state.where && c.hue && rows.every((row) => c.of(row) === row.requests));
    const some = COLUMNS.filter((c) => c.id === this.sort || has(c.id) && (c.id === 'requests' || (c.id !== 'robots' || !state.people) && tells(c)));
    const share = has('share') ? [{ name: 'Share', text: (n) => n, of: (row) => percent(COLUMNS[0].of(row), this.total), class: 'share' }] : [];
    const moved = this.past ? [{ name: 'Change', change: true, title: `Against the ${this.shown.pastName}` }] : [];
    return [...(this.status ? [statusColumn(this.status)] : []), ...some.slice(0, 1), ...share, ...some.slice(1), ...moved];
  }

  get total() { return this.answer.requests - (state.people ? (this.answer.total || {}).robots || 0 : 0); }

  head(column) {
    if (!column.id) return th(column.name, { class: column.class, title: column.title });
    return sortHead(column, this.status ? column.id === 'status' : column.id === this.sort, (id) => this.order(id === 'status' ? 'requests' : id, id === 'status' ? this.status : ''));
  }

  lines(rows, columns) {
    const sorted = columns.find((c) => (this.status ? c.id === 'status' : c.id === this.sort)) || columns[0];
    const most = Math.max(1e-9, ...rows.map((row) => sorted.of(row) || 0));
    const known = this.past && new Map(this.past.top.map((row) => [row.key, row]));
    // A key that is not among the biggest of the range before may still have had requests there.
    const before = (row) => (known.has(row.key) ? COLUMNS[0].of(known.get(row.key)) : this.past.keys > this.past.top.length ? null : 0);
    const cell = (column, row) => {
      if (column.change) { const was = before(row); return was === null ? '' : change(COLUMNS[0].of(row), was); }
      const value = column.of(row);
      return value === undefined || value === 0 && column.sparse ? note('–') : el('span', { hue: column.hue, class: column.hue && 'hued' }, column.text(value));
    };
    const line = (row) => el('tr', {}, td(this.key(row, (sorted.of(row) || 0) / most)), ...columns.map((c) => td(cell(c, row), { class: c.class })));
    const rest = this.total - rows.reduce((sum, row) => sum + COLUMNS[0].of(row), 0);
    const showsRest = rest > 0 && !this.filter && this.sort === 'requests' && !this.status;
    return [...rows.map(line), showsRest && el('tr', { class: 'rest' }, td(el('span', { class: 'key' }, this.rest)),
      ...columns.map((c) => td(c.id === 'requests' ? number(rest) : c.class ? percent(rest, this.total) : '', { class: c.class })))];
  }

  key(row, share) {
    const bar = el('span', { class: 'fill', hue: row.class && classOf(row.class) });
    bar.style.width = `${100 * share}%`;
    const added = this.terms(row.key);
    const isSet = added.every((one) => terms().includes(one));
    return el('button', { class: 'key', 'aria-pressed': String(isSet), title: 'Its timeline and its lines', onclick: () => go({ where: isSet ? withoutTerms(added) : withTerms(added) }) }, bar, shown(row.key), this.label && ` ${this.label(row.key) || ''}`);
  }

  tell(answer, found) {
    const keys = plural(this.of === this.id ? answer.keys : found.length, this.one, this.many);
    const folded = answer.folded ? ` · a count may be up to ${number(answer.folded)} too low` : '';
    this.note.textContent = (this.filter ? `${number(found.length)} of ${answer.keys > answer.top.length ? `the biggest ${number(answer.top.length)} of ` : ''}${keys}` : keys) + folded;
    const codes = answer.top.some((row) => row.status) ? Object.keys(this.shown.now.status) : [];
    const others = COLUMNS.filter((c) => !this.shows.includes(c.id) && answer.top.some((row) => c.of(row)));
    const all = [...others.map((c) => [c.id, c.name]), ...[...new Set(codes.map((code) => `${code[0]}xx`)), ...codes].map((code) => [code, code])];
    this.codes.hidden = !all.length || !this.big;
    this.codes.replaceChildren(el('option', { value: '' }, 'sort by …'), ...all.map(([id, name]) => el('option', { value: id, selected: id === (this.status || this.sort) }, name)));
    this.search.hidden = !this.big && !this.filter && answer.keys <= this.rows;
  }
}

const sortHead = ({ id, name, title }, sorted, sort) => th(el('button', { title, 'data-sort': id, onclick: () => sort(id) }, name), { 'aria-sort': sorted && 'descending' });

// Draws a part of the page anew; the button that had the focus keeps it.
function keepFocus(host, draw) {
  const name = (node) => (node.querySelector('bdi') || node).textContent;
  const held = host.contains(document.activeElement) ? name(document.activeElement) : null;
  draw();
  if (held !== null) { const again = [...host.querySelectorAll('button')].find((node) => name(node) === held); if (again) again.focus(); }
}
