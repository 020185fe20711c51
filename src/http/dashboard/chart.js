// The chart: stacked bars, the range before as a dashed line, a cursor that mouse, finger and keys move, and a
// selection to zoom into. It knows buckets, not where they come from.

class Chart {
  constructor(host, onZoom, onOut) {
    this.host = host;
    this.onZoom = onZoom;
    this.onOut = onOut;
    this.buckets = [];
    this.hidden = new Set();
    this.cursor = null;
    this.anchor = null;
    this.dragging = false;
    this.tip = el('div', { class: 'tip', hidden: true });
    this.svg = svg('svg', { 'aria-hidden': 'true' });
    host.append(this.svg, this.tip);
    new ResizeObserver(() => this.draw()).observe(host);
    host.addEventListener('pointerdown', (event) => this.press(event));
    host.addEventListener('pointermove', (event) => this.move(event));
    host.addEventListener('pointerup', (event) => this.release(event));
    host.addEventListener('pointercancel', () => this.forget());
    host.addEventListener('pointerleave', () => { if (!this.dragging) this.forget(); });
    host.addEventListener('keydown', (event) => this.type(event));
    host.addEventListener('blur', () => this.forget());
  }

  // buckets: [{ start, requests, classes: { id: count }, before }], all of one size.
  show(buckets, size) {
    const moved = size !== this.size || buckets.length !== this.buckets.length || (buckets[0] || {}).start !== (this.buckets[0] || {}).start;
    this.buckets = buckets;
    this.size = size;
    if (moved) { this.cursor = null; this.anchor = null; this.dragging = false; }
    this.draw();
  }

  total(bucket) {
    return CLASSES.reduce((sum, c) => sum + (this.hidden.has(c.id) ? 0 : bucket.classes[c.id] || 0), 0);
  }

  draw() {
    const { host, buckets } = this;
    const width = host.clientWidth, height = host.clientHeight;
    if (!width || !buckets.length) return;
    const compare = !this.hidden.size;
    const most = Math.max(1, ...buckets.map((b) => Math.max(this.total(b), (compare && b.before) || 0)));
    const step = niceStep(most / 4);
    const peak = Math.max(step, Math.ceil(most / step) * step);
    const box = { left: 10 + 7.5 * Math.max(3, compact(peak).length), right: width - 2, top: 8, bottom: height - 24 };
    this.box = box;
    const x = (i) => Math.round(box.left + ((box.right - box.left) * i) / buckets.length);
    const y = (n) => box.bottom - ((box.bottom - box.top) * n) / peak;
    this.x = x;
    const parts = [];
    for (let n = 0; n <= peak; n += step) {
      const line = Math.round(y(n)) + 0.5;
      parts.push(svg('path', { class: 'grid', d: `M${box.left} ${line}H${box.right}` }));
      parts.push(svg('text', { x: box.left - 8, y: line + 4, 'text-anchor': 'end' }, compact(n)));
    }
    for (const [ms, label] of timeTicks(buckets[0].start, buckets.length * SIZES[this.size], box.right - box.left)) {
      const at = box.left + ((box.right - box.left) * (ms - buckets[0].start)) / (buckets.length * SIZES[this.size]);
      const anchor = at < box.left + 18 ? 'start' : at > box.right - 22 ? 'end' : 'middle';
      parts.push(svg('text', { x: at, y: height - 6, 'text-anchor': anchor }, label));
    }
    this.mark = svg('rect', { y: box.top, height: box.bottom - box.top, class: 'cursor', visibility: 'hidden' });
    parts.push(this.mark);
    const wide = (box.right - box.left) / buckets.length;
    const gap = wide > 14 ? 3 : wide > 7 ? 2 : wide > 4.5 ? 1 : 0;
    const base = new Array(buckets.length).fill(0);
    for (const { id } of CLASSES) {
      if (this.hidden.has(id)) continue;
      let d = '';
      buckets.forEach((bucket, i) => {
        const count = bucket.classes[id] || 0;
        if (!count) return;
        const low = y(base[i]), high = y((base[i] += count));
        const left = x(i), right = Math.max(left + 1, x(i + 1) - gap);
        d += `M${left} ${low.toFixed(1)}V${high.toFixed(1)}H${right}V${low.toFixed(1)}z`;
      });
      if (d) parts.push(svg('path', { d, fill: `var(--${id})` }));
    }
    if (compare && buckets.some((b) => b.before)) {
      const d = buckets.map((b, i) => (b.before === undefined ? '' : `${i ? 'L' : 'M'}${x(i)} ${y(b.before).toFixed(1)}H${x(i + 1)}`)).join('');
      parts.push(svg('path', { d, class: 'before' }));
    }
    this.svg.replaceChildren(...parts);
    this.point();
  }

  // Puts cursor, selection and their words where they belong.
  point() {
    const { host, mark, buckets } = this;
    const at = this.cursor, selected = this.chosen();
    host.setAttribute('aria-valuemin', 0);
    host.setAttribute('aria-valuemax', Math.max(0, buckets.length - 1));
    host.setAttribute('aria-valuenow', at === null ? Math.max(0, buckets.length - 1) : at);
    this.tip.hidden = at === null;
    if (at === null) {
      const sum = buckets.reduce((all, b) => all + this.total(b), 0);
      host.setAttribute('aria-valuetext', `${number(sum)} requests`);
      if (mark) mark.setAttribute('visibility', 'hidden');
      return;
    }
    const [first, last] = selected || [at, at];
    mark.setAttribute('visibility', 'visible');
    mark.setAttribute('class', selected ? 'chosen' : 'cursor');
    mark.setAttribute('x', this.x(first));
    mark.setAttribute('width', Math.max(1, this.x(last + 1) - this.x(first)));
    const some = buckets.slice(first, last + 1);
    const sum = (of) => some.reduce((all, b) => all + of(b), 0);
    const end = some[some.length - 1].start + SIZES[this.size];
    const when = (first === last ? bucketText(some[0].start, this.size) : rangeText(some[0].start, end, this.size)) + (end > Date.now() ? ' (so far)' : '');
    const requests = sum((b) => this.total(b));
    host.setAttribute('aria-valuetext', `${when}: ${number(requests)} requests`);
    const rows = CLASSES.filter((c) => !this.hidden.has(c.id)).map((c) => [c, sum((b) => b.classes[c.id] || 0)]).filter(([, n]) => n);
    this.tip.replaceChildren(
      el('div', { class: 'note' }, when),
      el('table', {},
        el('tr', {}, el('td', {}, el('b', {}, 'Requests')), el('td', {}, el('b', {}, number(requests)))),
        ...rows.map(([c, n]) => el('tr', {}, el('td', {}, el('i', { hue: c.id }), c.name), el('td', {}, number(n)))),
        !this.hidden.size && some.every((b) => b.before !== undefined) && el('tr', { class: 'note' }, el('td', {}, 'Range before'), el('td', {}, number(sum((b) => b.before))))));
    const right = this.x(last + 1) + 10, wide = this.tip.offsetWidth;
    this.tip.style.left = `${right + wide < host.clientWidth ? right : Math.max(0, this.x(first) - wide - 10)}px`;
  }

  chosen() {
    return this.anchor === null || (this.anchor === this.cursor && !(this.dragging && this.moved)) ? null : [Math.min(this.anchor, this.cursor), Math.max(this.anchor, this.cursor)];
  }

  at(event) {
    const inside = (event.clientX - this.host.getBoundingClientRect().left - this.box.left) / (this.box.right - this.box.left);
    return Math.max(0, Math.min(this.buckets.length - 1, Math.floor(inside * this.buckets.length)));
  }

  press(event) {
    if (event.button || !this.box) return;
    this.host.setPointerCapture(event.pointerId);
    this.dragging = true;
    this.pressed = event.clientX;
    this.moved = false;
    this.anchor = this.cursor = this.at(event);
    this.point();
  }

  move(event) {
    if (!this.box) return;
    // A drag inside one bar chooses that bar.
    if (this.dragging && Math.abs(event.clientX - this.pressed) > 5) this.moved = true;
    this.cursor = this.at(event);
    this.point();
  }

  release(event) {
    if (!this.dragging) return;
    this.cursor = this.at(event);
    const chosen = this.chosen();
    this.dragging = false;
    this.anchor = null;
    if (chosen) this.zoom(...chosen); else this.point();
  }

  forget() {
    this.dragging = false;
    this.cursor = this.anchor = null;
    this.point();
  }

  zoom(first, last) {
    const from = this.buckets[first].start, to = this.buckets[last].start + SIZES[this.size];
    this.cursor = this.anchor = null;
    this.point();
    this.onZoom(from, to);
  }

  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.buckets.length) return;
    const last = this.buckets.length - 1, at = this.cursor === null ? last : this.cursor;
    const far = Math.max(1, Math.round(last / 10));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, PageDown: at - far, PageUp: at + far, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      if (event.shiftKey) this.anchor = this.anchor === null ? at : this.anchor; else this.anchor = null;
      this.cursor = this.cursor === null && !event.shiftKey && event.key.startsWith('Arrow') ? last : Math.max(0, Math.min(last, to));
      this.point();
    } else if (event.key === 'Enter' || event.key === '+') {
      const quarter = Math.max(1, Math.floor(last / 4));
      this.zoom(...(this.chosen() || [Math.max(0, at - quarter), Math.min(last, at + quarter)]));
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

// 1, 2 or 5 times a power of ten, at least 1.
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  return Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) || 1);
}

// Instants that are labelled below the chart, as many as there is room for.
function timeTicks(from, length, width) {
  const room = Math.max(2, Math.floor(width / 76));
  const steps = [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE).concat([1, 2, 3, 6, 12].map((n) => n * HOUR), [1, 2, 3, 5, 7, 14].map((n) => n * DAY));
  const step = steps.find((n) => length / n <= room);
  const ticks = [];
  if (step) {
    for (let ms = Math.ceil(from / step) * step; ms < from + length; ms += step) ticks.push([ms, ms % DAY ? clock(ms) : dayMonth(ms)]);
    return ticks;
  }
  const months = Math.ceil(length / (30 * DAY) / room), first = new Date(from);
  for (let i = first.getUTCDate() > 1 ? 1 : 0; ; i += months) {
    const ms = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + i);
    if (ms >= from + length) return ticks;
    ticks.push([ms, monthYear(ms)]);
  }
}
