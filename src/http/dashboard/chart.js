// The chart: stacked bars or lines over time, the range before as a dashed line. It draws, and says which window a
// pointer is on; cursor.js does the rest of what pointers and keys do. It is given windows and a metric.

class Chart {
  constructor(host) {
    this.host = host;
    this.buckets = [];
    this.hidden = new Set();
    this.svg = svg('svg', { 'aria-hidden': 'true' });
    host.append(this.svg);
    new ResizeObserver(() => this.draw()).observe(host);
  }

  // buckets: [{ start, end, now, before }], each with measures.
  show(buckets, size, metric) {
    if (metric !== this.metric) this.hidden.clear();
    Object.assign(this, { buckets, size, metric });
    this.draw();
  }

  get series() { return this.metric.series.filter((s) => !this.hidden.has(s.id)); }

  // The height of a bar: the sum of the series that are switched on.
  height(measures) {
    return this.series.reduce((sum, s) => sum + (s.value(measures) || 0), 0);
  }

  draw() {
    const { host, buckets, metric } = this;
    const width = host.clientWidth, height = host.clientHeight;
    if (!width || !buckets.length) return;
    const peak = this.peak();
    const room = Math.max(...peak.ticks.map((n) => metric.axis(n).length), 3);
    this.box = { left: 10 + 7 * room, right: width - 2, top: 8, bottom: height - 24 };
    const y = (n) => this.box.bottom - ((this.box.bottom - this.box.top) * n) / peak.value;
    const parts = [...this.grid(peak.ticks, y), ...this.times(height)];
    this.mark = svg('rect', { y: this.box.top, height: this.box.bottom - this.box.top, class: 'cursor', visibility: 'hidden' });
    parts.push(this.mark, ...(metric.lines ? this.lines(y) : [...this.bars(y), this.begun(y)]), this.past(y));
    this.svg.replaceChildren(...parts.filter(Boolean));
    if (this.ondraw) this.ondraw();
  }

  x(i) { return Math.round(this.box.left + ((this.box.right - this.box.left) * i) / this.buckets.length); }
  middle(i) { return (this.x(i) + this.x(i + 1)) / 2; }

  // The range before is drawn only behind bars of which no series is switched off.
  get compares() { return !this.metric.lines && !this.hidden.size && this.buckets.some((b) => b.before && this.height(b.before)); }

  peak() {
    const values = this.buckets.flatMap((b) => {
      if (this.metric.lines) return this.series.map((s) => s.value(b.now) || 0);
      return [this.height(b.now), this.compares && b.before ? this.height(b.before) : 0];
    });
    const most = Math.max(0, ...values);
    const step = niceStep((most || (this.metric.lines ? 0.01 : 4)) / 4, !this.metric.lines);
    const ticks = [];
    for (let n = 0; n < 5 || (n - 1) * step < most; n += 1) ticks.push(Number((n * step).toPrecision(6)));
    while (ticks.length > 2 && ticks[ticks.length - 2] >= most) ticks.pop();
    return { ticks, value: ticks[ticks.length - 1] };
  }

  grid(ticks, y) {
    return ticks.flatMap((n) => {
      const line = Math.round(y(n)) + 0.5;
      return [svg('path', { class: 'grid', d: `M${this.box.left} ${line}H${this.box.right}` }),
        svg('text', { x: this.box.left - 8, y: line + 4, 'text-anchor': 'end' }, this.metric.axis(n))];
    });
  }

  times(height) {
    const { left, right } = this.box;
    const from = this.buckets[0].start, to = this.buckets[this.buckets.length - 1].end;
    return timeTicks(from, to, right - left).map(([ms, label]) => {
      const at = left + ((right - left) * (ms - from)) / (to - from);
      return svg('text', { x: at, y: height - 6, 'text-anchor': at < left + 18 ? 'start' : at > right - 22 ? 'end' : 'middle' }, label);
    });
  }

  bars(y) {
    const wide = (this.box.right - this.box.left) / this.buckets.length;
    const gap = wide > 14 ? 3 : wide > 7 ? 2 : wide > 4.5 ? 1 : 0;
    const base = new Array(this.buckets.length).fill(0);
    return this.series.map((s) => {
      let d = '';
      this.buckets.forEach((bucket, i) => {
        const count = s.value(bucket.now) || 0;
        if (!count) return;
        const low = y(base[i]), high = y((base[i] += count));
        const left = this.x(i), right = Math.max(left + 1, this.x(i + 1) - gap);
        d += `M${left} ${low.toFixed(1)}V${high.toFixed(1)}H${right}V${low.toFixed(1)}z`;
      });
      return d && svg('path', { d, fill: `var(--${s.id})` });
    });
  }

  // The last bar is pale while its window goes on, so that it does not look like a drop.
  begun(y) {
    const last = this.buckets.length - 1, { end, now } = this.buckets[last], left = this.x(last);
    return end > Date.now() && svg('path', { d: `M${left} ${y(this.height(now)).toFixed(1)}H${this.x(last + 1)}V${this.box.bottom}H${left}z`, class: 'begun' });
  }

  // A line is broken where a window has no value; a window between two such ones is drawn as a dot.
  lines(y) {
    return this.series.flatMap((s) => {
      const values = this.buckets.map((b) => s.value(b.now));
      const has = (i) => values[i] !== undefined;
      let line = '', dots = '';
      values.forEach((value, i) => {
        if (!has(i)) return;
        const at = `${this.middle(i)} ${y(value).toFixed(1)}`;
        if (has(i - 1) || has(i + 1)) line += `${has(i - 1) ? 'L' : 'M'}${at}`; else dots += `M${at}h.1`;
      });
      const path = (d, kind) => d && svg('path', { d, class: `line ${kind}`, stroke: `var(--${s.id})` });
      return [path(line, `${s.dash ? 'dash' : ''} ${s.thin ? 'thin' : ''}`), path(dots, 'dots')];
    });
  }

  past(y) {
    if (!this.compares) return null;
    const d = this.buckets.map((b, i) => (b.before ? `${i ? 'L' : 'M'}${this.x(i)} ${y(this.height(b.before)).toFixed(1)}H${this.x(i + 1)}` : '')).join('');
    return svg('path', { d, class: 'before' });
  }

  // The window below a pointer.
  at(event) {
    const inside = (event.clientX - this.host.getBoundingClientRect().left - this.box.left) / (this.box.right - this.box.left);
    return Math.max(0, Math.min(this.buckets.length - 1, Math.floor(inside * this.buckets.length)));
  }
}

// The distance of the lines across the chart: 1, 2 or 5 times a power of ten; for counts, at least 1.
function niceStep(rough, whole) {
  const power = 10 ** Math.floor(Math.log10(whole ? Math.max(1, rough) : rough));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999999) || power;
}
