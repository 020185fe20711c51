// Time: zones, the windows that divide a range, and both in words. Every instant is in milliseconds since 1970.

const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
// How long windows are; for a month, about.
const SIZES = { minute: MINUTE, hour: HOUR, day: DAY, month: 30.4 * DAY };
const EARLIEST = 0, LATEST = Date.UTC(9999, 11, 31);
const instant = (ms) => new Date(ms).toISOString().replace('.000Z', 'Z');

// The zone in which days begin and times are shown: UTC, or that of the browser.
const zone = {
  local: false,
  get name() { return this.local ? Intl.DateTimeFormat().resolvedOptions().timeZone : 'UTC'; },
  // The API's parameter `tz`, which is left out for UTC.
  get param() { return this.local ? this.name : undefined; },
  date(ms) {
    const date = new Date(ms);
    return this.local ? [date.getFullYear(), date.getMonth(), date.getDate()] : [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  },
  midnight(year, month, day) { return this.local ? new Date(year, month, day).getTime() : Date.UTC(year, month, day); },
};

// The start of the window that holds an instant, or of one `away` windows later.
function windowStart(ms, size, away = 0) {
  if (size === 'minute' || size === 'hour') return (Math.floor(ms / SIZES[size]) + away) * SIZES[size];
  const [year, month, day] = zone.date(ms);
  return size === 'day' ? zone.midnight(year, month, day + away) : zone.midnight(year, month + away, 1);
}

function windowStarts(from, to, size) {
  const starts = [];
  for (let start = from; start < to; start = windowStart(start, size, 1)) starts.push(start);
  return starts;
}

// Formats are made once for each zone: making one takes longer than using it a hundred times.
const formats = new Map();
function dateText(ms, name, options) {
  const id = `${name} ${zone.local}`;
  if (!formats.has(id)) formats.set(id, new Intl.DateTimeFormat('en-GB', { timeZone: zone.name, ...options }));
  return formats.get(id).format(ms);
}
const dayMonth = (ms) => dateText(ms, 'dayMonth', { day: 'numeric', month: 'short' });
const dayMonthYear = (ms) => dateText(ms, 'dayMonthYear', { day: 'numeric', month: 'short', year: 'numeric' });
const monthYear = (ms) => dateText(ms, 'monthYear', { month: 'short', year: 'numeric' });
const clock = (ms) => dateText(ms, 'clock', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const clockSeconds = (ms) => dateText(ms, 'clockSeconds', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

// A range in words: no year where it is this one, one date where both are the same day.
function rangeText(from, to, size) {
  if (size === 'month') return monthYear(from) === monthYear(to - 1) ? monthYear(from) : `${monthYear(from)} – ${monthYear(to - 1)}`;
  const [year] = zone.date(Date.now());
  const date = [from, to - 1].every((ms) => zone.date(ms)[0] === year) ? dayMonth : dayMonthYear;
  if (size === 'day') return date(from) === date(to - 1) ? date(from) : `${date(from)} – ${date(to - 1)}`;
  const end = clock(to) === '00:00' ? '24:00' : clock(to);
  return date(from) === date(to - 1) ? `${date(from)}, ${clock(from)} – ${end}` : `${date(from)}, ${clock(from)} – ${date(to - 1)}, ${end}`;
}

function windowText(start, size) {
  if (size === 'month') return monthYear(start);
  return size === 'day' ? dayMonthYear(start) : `${dayMonth(start)}, ${clock(start)}`;
}

// A time as an input of the type `datetime-local` has it, in the zone of the page, and back.
function toInput(ms) {
  const [year, month, day] = zone.date(ms);
  return `${String(year).padStart(4, '0')}-${String(month + 1).padStart(2, '0')}-${String(day).padStart(2, '0')}T${clock(ms)}`;
}
const fromInput = (text) => Date.parse(zone.local ? text : `${text}Z`);

// Instants that are labelled below a chart, as many as there is room for.
function timeTicks(from, to, width) {
  const room = Math.max(2, Math.floor(width / 76)), length = to - from;
  const short = [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE).concat([1, 2, 3, 6, 12].map((n) => n * HOUR)).find((n) => length / n <= room);
  const ticks = [];
  if (short) {
    // From the first midnight on, so that a zone's hours are labelled and not those of UTC.
    const first = windowStart(from, 'day');
    for (let ms = first + Math.ceil((from - first) / short) * short; ms < to; ms += short) ticks.push([ms, clock(ms) === '00:00' ? dayMonth(ms) : clock(ms)]);
    return ticks;
  }
  const days = [1, 2, 3, 5, 7, 14].find((n) => length / (n * DAY) <= room);
  const [size, every, label] = days ? ['day', days, dayMonth] : ['month', Math.ceil(length / SIZES.month / room), monthYear];
  let ms = windowStart(from, size);
  if (ms < from) ms = windowStart(ms, size, 1);
  for (; ms < to; ms = windowStart(ms, size, every)) ticks.push([ms, label(ms)]);
  return ticks;
}
