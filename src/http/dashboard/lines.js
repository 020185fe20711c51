// The lines behind the numbers, newest first, as they were read. Only the journal has them, for as long as it is kept.

const LINES = 50;
const LINE_COLUMNS = [
  { id: 'receivedAt', name: 'Time', show: (line) => lineTime(line.receivedAt) },
  { id: 'status', name: 'Status', show: (line) => statusText(line.status) },
  { id: 'method', name: 'Method' },
  { id: 'path', name: 'Path', class: 'long' },
  { id: 'route', name: 'Route', class: 'long' },
  { id: 'durationSeconds', name: 'Duration', show: (line) => (line.durationSeconds === undefined ? '' : seconds(Number(line.durationSeconds), 3)), class: 'right' },
  { id: 'responseBytes', name: 'Bytes', show: (line) => (line.responseBytes === undefined ? '' : bytes(Number(line.responseBytes))), class: 'right' },
  { id: 'host', name: 'Host' },
  { id: 'referrer', name: 'Referrer', class: 'long' },
  { id: 'clientIp', name: 'Client' },
  { id: 'country', name: 'Country' },
  { id: 'userAgent', name: 'User agent', class: 'long' },
];

// A number is a Unix time in s, ms, µs or ns, told apart by its size.
function lineTime(value) {
  const scale = [[1e11, 1e3], [1e14, 1], [1e17, 1e-3], [Infinity, 1e-6]].find(([below]) => value < below);
  const ms = typeof value === 'number' ? value * scale[1] : Date.parse(value);
  return Number.isNaN(ms) ? String(value) : `${dayMonth(ms)}, ${clockSeconds(ms)}`;
}

function statusText(status) {
  if (status === undefined || status === null) return '';
  return el('span', { class: 'hued', hue: statusClass(Number(status)).id }, el('i', { class: 'swatch' }), String(status));
}

const lines = { all: [], next: '' };

async function loadLines(shown, signal, more) {
  $('lines').hidden = false;
  if (!$('lines-open').open) return;
  try {
    const answer = await entries(shown.from, shown.to, LINES, more ? lines.next : '', signal);
    if (signal.aborted) return;
    lines.all = more ? lines.all.concat(answer.lines) : answer.lines;
    lines.next = answer.next;
    drawLines(shown);
  } catch (error) {
    if (error.name !== 'AbortError') $('lines-body').replaceChildren(note(error.message || 'The server did not answer.'));
  }
}

function drawLines(shown) {
  const columns = LINE_COLUMNS.filter((c) => lines.all.some((line) => line[c.id] !== undefined && line[c.id] !== ''));
  const cell = (c, line) => td(c.show ? c.show(line) : line[c.id] === undefined ? '' : textCell(line[c.id], c), { class: c.class });
  $('lines-body').replaceChildren(
    lines.all.length
      ? scrolled('Lines', table(columns.map((c) => th(c.name, { class: c.class })), lines.all.map((line) => el('tr', {}, ...columns.map((c) => cell(c, line)))), 'lines'))
      : note('The journal holds no such line of this range.'),
    lines.next ? el('button', { class: 'more', onclick: () => loadLines(shown, pending.signal, true) }, `Show ${LINES} older lines`) : '');
}

// A cell shows the beginning of a long text, and all of it on demand.
const textCell = (text, column) => (column.class === 'long' ? el('span', { title: String(text) }, shown(text)) : shown(text));
