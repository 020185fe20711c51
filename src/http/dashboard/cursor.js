// What mouse, finger and keys do to a chart: read a window, select some, zoom in and out. To a screen reader the
// chart is a slider.

class Cursor {
  constructor(chart, onZoom, onOut) {
    Object.assign(this, { chart, onZoom, onOut, at: null, anchor: null, dragging: false });
    const { host } = chart;
    this.tip = el('div', { class: 'tip', hidden: true });
    host.append(this.tip);
    chart.ondraw = () => this.stay();
    host.addEventListener('pointerdown', (event) => this.press(event));
    host.addEventListener('pointermove', (event) => this.move(event));
    host.addEventListener('pointerup', (event) => this.release(event));
    host.addEventListener('pointercancel', () => this.forget());
    host.addEventListener('pointerleave', () => { if (!this.dragging) this.forget(); });
    host.addEventListener('keydown', (event) => this.type(event));
    host.addEventListener('blur', () => this.forget());
  }

  // New numbers for the same windows leave the cursor where it is; other windows remove it.
  stay() {
    const { buckets, size } = this.chart;
    const shape = `${size} ${buckets.length} ${buckets[0].start}`;
    if (shape !== this.shape) Object.assign(this, { shape, at: null, anchor: null, dragging: false });
    this.point();
  }

  // The first and the last window chosen, or nothing.
  get chosen() {
    const one = this.anchor === this.at && !(this.dragging && this.moved);
    return this.anchor === null || one ? null : [Math.min(this.anchor, this.at), Math.max(this.anchor, this.at)];
  }

  // Puts cursor, selection and their words where they belong.
  point() {
    const { chart: { host, mark, buckets, metric, size }, at } = this;
    const last = Math.max(0, buckets.length - 1);
    host.setAttribute('aria-valuemin', 0);
    host.setAttribute('aria-valuemax', last);
    host.setAttribute('aria-valuenow', at === null ? last : at);
    this.tip.hidden = at === null;
    if (at === null) {
      host.setAttribute('aria-valuetext', this.words(buckets));
      if (mark) mark.setAttribute('visibility', 'hidden');
      return;
    }
    const [first, end] = this.chosen || [at, at];
    mark.setAttribute('visibility', 'visible');
    mark.setAttribute('class', this.chosen ? 'chosen' : 'cursor');
    mark.setAttribute('x', this.chart.x(first));
    mark.setAttribute('width', Math.max(1, this.chart.x(end + 1) - this.chart.x(first)));
    const some = buckets.slice(first, end + 1);
    const until = some[some.length - 1].end;
    const when = (first === end ? windowText(some[0].start, size) : rangeText(some[0].start, until, size)) + (until > Date.now() ? ' (so far)' : '');
    host.setAttribute('aria-valuetext', `${when}: ${this.words(some)}`);
    this.tip.replaceChildren(el('div', { class: 'note' }, when), el('table', {}, ...this.rows(some, metric)));
    const right = this.chart.x(end + 1) + 10, wide = this.tip.offsetWidth;
    this.tip.style.left = `${right + wide < host.clientWidth ? right : Math.max(0, this.chart.x(first) - wide - 10)}px`;
  }

  words(some) {
    const sum = joined(some, 'now'), { metric } = this.chart;
    if (!metric.lines) return `${sum.visitors === undefined && metric.id === 'visitors' ? 'several windows' : (metric.bar || metric.text)(this.chart.height(sum))} ${metric.id === 'robots' ? 'requests' : metric.id}`;
    return this.chart.series.map((s) => `${s.name} ${valueText(metric, s.value(sum))}`).join(', ');
  }

  rows(some, metric) {
    const { chart } = this, sum = joined(some, 'now'), text = metric.bar || metric.text;
    const row = (name, value, props) => el('tr', props, td(name), td(value));
    const series = chart.series.map((s) => [s, s.value(sum)]).filter(([, value]) => metric.lines ? value !== undefined : value);
    const rows = metric.lines || metric.series.length > 1
      ? series.map(([s, value]) => row(el('span', {}, el('i', { hue: s.id }), s.name), text(value)))
      : [];
    if (metric.lines) rows.push(row('Requests', number(sum.requests), { class: 'note' }));
    else rows.unshift(row(el('b', {}, metric.series.length > 1 ? 'Requests' : metric.name), el('b', {}, metric.id === 'visitors' && sum.visitors === undefined ? 'do not add up' : text(chart.height(sum)))));
    if (chart.compares && some.every((b) => b.before) && (metric.id !== 'visitors' || some.length === 1)) rows.push(row('Range before', text(chart.height(joined(some, 'before'))), { class: 'note' }));
    return rows;
  }

  press(event) {
    if (event.button || !this.chart.box) return;
    this.chart.host.setPointerCapture(event.pointerId);
    Object.assign(this, { dragging: true, pressed: event.clientX, moved: false, anchor: this.chart.at(event), at: this.chart.at(event) });
    this.point();
  }

  move(event) {
    if (!this.chart.box || !this.chart.buckets.length) return;
    // A drag inside one bar chooses that bar.
    if (this.dragging && Math.abs(event.clientX - this.pressed) > 5) this.moved = true;
    this.at = this.chart.at(event);
    this.point();
  }

  release(event) {
    if (!this.dragging) return;
    this.at = this.chart.at(event);
    const { chosen } = this;
    Object.assign(this, { dragging: false, anchor: null });
    if (chosen) this.zoom(...chosen); else this.point();
  }

  forget() {
    Object.assign(this, { dragging: false, at: null, anchor: null });
    this.point();
  }

  zoom(first, last) {
    const { buckets } = this.chart;
    this.forget();
    this.onZoom(buckets[first].start, buckets[last].end);
  }

  type(event) {
    const last = this.chart.buckets.length - 1, at = this.at === null ? last : this.at;
    if (event.ctrlKey || event.metaKey || event.altKey || last < 0) return;
    const far = Math.max(1, Math.round(last / 10));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, PageDown: at - far, PageUp: at + far, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      if (!event.shiftKey) this.anchor = null;
      else if (this.anchor === null) this.anchor = at;
      this.at = this.at === null && !event.shiftKey && event.key.startsWith('Arrow') ? last : Math.max(0, Math.min(last, to));
      this.point();
    } else if (event.key === 'Enter' || event.key === '+') {
      const quarter = Math.max(1, Math.floor(last / 4));
      this.zoom(...(this.chosen || [Math.max(0, at - quarter), Math.min(last, at + quarter)]));
    } else if (event.key === '-' || event.key === 'Backspace') {
      this.onOut();
    } else if (event.key === 'Escape') {
      this.forget();
    } else {
      return;
    }
    event.preventDefault();
  }
}

// The measures of some windows together. Visitors do not add up, so only a window alone has them.
const joined = (buckets, when) => (buckets.length === 1 ? buckets[0][when] : buckets.reduce((sum, b) => addMeasures(sum, b[when]), NOTHING));
const valueText = (metric, value) => (value === undefined ? 'unknown' : metric.text(value));
