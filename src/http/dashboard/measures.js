// What a window holds, as the page shows it: of all requests, or of people alone, which is all less robots.

// The names that are shown for the server's classes of clients; `other` has those of no known family.
const CLASSES = [
  { id: 'browser', name: 'Browsers', of: ['browser', 'mobile'] },
  { id: 'app', name: 'Apps', of: ['app'] },
  { id: 'tool', name: 'Tools', of: ['tool'] },
  { id: 'bot', name: 'Bots', of: ['bot'], robots: true },
  { id: 'ai', name: 'AI crawlers', of: ['ai'], robots: true },
  { id: 'other', name: 'Other', of: ['other'] },
];
const classOf = (name) => (CLASSES.find((c) => c.of.includes(name)) || CLASSES[5]).id;

// Status codes by their first digit, in words: colour alone tells nobody anything.
const STATUSES = [
  { id: 's2', digit: 2, name: '2xx success' },
  { id: 's3', digit: 3, name: '3xx redirect' },
  { id: 's4', digit: 4, name: '4xx client error' },
  { id: 's5', digit: 5, name: '5xx server error' },
  { id: 's0', digit: 0, name: 'other' },
];
const statusClass = (code) => STATUSES.find((s) => s.digit === Math.floor(code / 100)) || STATUSES[4];

// Sums of two maps, or with `sign` −1 their difference, without what is zero.
function addMaps(left, right, sign = 1) {
  const sums = { ...left };
  for (const [key, count] of Object.entries(right || {})) {
    sums[key] = (sums[key] || 0) + sign * count;
    if (!sums[key]) delete sums[key];
  }
  return sums;
}

const NOTHING = { requests: 0, robots: 0, bytes: 0, status: {}, seconds: 0, zeros: 0, buckets: {}, classes: {} };

// The numbers of an answer's window, of all or of people alone.
function measuresOf(window, people) {
  if (!window) return NOTHING;
  const duration = window.duration || {};
  const all = {
    requests: window.requests, robots: (window.robots || NOTHING).requests, bytes: window.responseBytes || 0, status: window.status || {},
    seconds: duration.sumSeconds || 0, zeros: duration.zeroCount || 0, buckets: duration.buckets || {}, classes: {}, visitors: window.visitors || 0,
  };
  for (const [name, count] of Object.entries(window.requestsByClass || {})) all.classes[classOf(name)] = (all.classes[classOf(name)] || 0) + count;
  if (!people || !window.robots) return all;
  const left = addMeasures(all, measuresOf(window.robots, false), -1);
  const classes = Object.fromEntries(Object.entries(all.classes).filter(([id]) => !CLASSES.find((c) => c.id === id).robots));
  // The server counts visitors without robots already.
  return { ...left, robots: 0, classes, visitors: all.visitors };
}

// Visitors do not add up: the same person may have come in both windows.
function addMeasures(left, right, sign = 1) {
  const sums = {};
  for (const name of ['requests', 'robots', 'bytes', 'seconds', 'zeros']) sums[name] = left[name] + sign * right[name];
  for (const name of ['status', 'buckets', 'classes']) sums[name] = addMaps(left[name], right[name], sign);
  return sums;
}

const sumOf = (map) => Object.values(map).reduce((sum, count) => sum + count, 0);
const timed = (measures) => measures.zeros + sumOf(measures.buckets);
const withStatus = (measures, digit) => Object.entries(measures.status).reduce((sum, [code, count]) => sum + (Math.floor(code / 100) === digit ? count : 0), 0);
// The share of the requests that have a status; undefined where none has.
const errorRate = (measures, digit) => { const all = sumOf(measures.status); return all ? withStatus(measures, digit) / all : undefined; };

// By nearest rank, as the geometric middle of its bucket, which is how the server reads the histogram: bucket i ends at
// 2^(i/8) seconds.
function quantile(measures, share) {
  const count = timed(measures);
  if (!count) return undefined;
  const rank = Math.max(1, Math.ceil(count * share - 1e-9));
  let seen = measures.zeros;
  if (seen >= rank) return 0;
  for (const index of Object.keys(measures.buckets).map(Number).sort((a, b) => a - b)) {
    seen += measures.buckets[index];
    if (seen >= rank) return 2 ** ((2 * index - 1) / 16);
  }
  return undefined;
}

// What can be shown over time. A metric has one card, and series that are stacked bars or lines; `before` is compared
// with the range before.
const METRICS = [
  {
    id: 'requests', name: 'Requests', text: number, axis: compact, total: (m) => m.requests,
    series: CLASSES.map((c) => ({ ...c, value: (m) => m.classes[c.id] || 0 })),
    note: (m) => (m.robots ? `${number(m.requests - m.robots)} by people` : ''),
  },
  { id: 'visitors', name: 'Visitors', text: number, axis: compact, total: (m) => m.visitors, series: [{ id: 'visitors', name: 'Visitors', value: (m) => m.visitors }], needs: (m) => m.visitors },
  {
    id: 'robots', name: 'Robots', text: ratio, axis: compact, rate: true, total: (m) => (m.requests ? m.robots / m.requests : undefined),
    series: [
      { id: 'browser', name: 'People', value: (m) => m.requests - m.robots },
      { id: 'bot', name: 'Robots', value: (m) => m.robots },
    ],
    bar: number, note: (m) => plural(m.robots, 'request'),
  },
  {
    id: 'errors', name: 'Server errors', text: ratio, axis: ratio, lines: true, rate: true, worse: 'up', total: (m) => errorRate(m, 5), needs: (m) => sumOf(m.status),
    series: [{ id: 's4', name: '4xx client errors', value: (m) => errorRate(m, 4), dash: true }, { id: 's5', name: '5xx server errors', value: (m) => errorRate(m, 5) }],
    note: (m) => `4xx ${ratio(errorRate(m, 4))}`,
  },
  {
    id: 'latency', name: 'Latency p95', text: seconds, axis: seconds, lines: true, worse: 'up', total: (m) => quantile(m, 0.95), needs: timed,
    series: [
      { id: 'p50', name: 'p50', value: (m) => quantile(m, 0.5), dash: true },
      { id: 'p95', name: 'p95', value: (m) => quantile(m, 0.95) },
      { id: 'p99', name: 'p99', value: (m) => quantile(m, 0.99), thin: true },
    ],
    // The blanks within each value do not break, so that a line ends between the two values and not before a unit.
    note: (m) => [['p50', 0.5], ['p99', 0.99]].map(([name, share]) => `${name} ${seconds(quantile(m, share))}`.replaceAll(' ', '\u00a0')).join(', '),
  },
  { id: 'bytes', name: 'Bytes sent', text: bytes, axis: bytes, total: (m) => m.bytes, series: [{ id: 'bytes', name: 'Bytes', value: (m) => m.bytes }], needs: (m) => m.bytes, note: (m) => `${bytes(m.bytes / m.requests)} a request` },
];
