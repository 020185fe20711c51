// Saves what is shown as files. The server writes the CSV; the JSON is what the page holds already.

const EXPORTED = 10000;

async function textOf(what, { from, to, size, customer, totals: sums, series }) {
  const csv = (target, params) => ask(target, { ...rangeParams(from, to), ...params }, { customer: state.customer, accept: 'text/csv' }).then((answer) => answer.text());
  if (what === 'series') return csv('/aggregates', { window: size, by: '', limit: EXPORTED });
  if (what !== 'json') return csv('/aggregates/top', { dimension: what, n: EXPORTED });
  const all = await Promise.all(DIMENSIONS.filter((d) => !d.of).map(async ({ id }) => [id, await top(id, from, to, { n: EXPORTED })]));
  return JSON.stringify({ customerId: customer, from: instant(from), to: instant(to), total: sums.windows[0], windows: series.windows, top: Object.fromEntries(all) }, null, 1);
}

async function save(what) {
  $('export').open = false;
  if (!view) return;
  const type = what === 'json' ? 'json' : 'csv';
  try {
    const text = await textOf(what, view);
    const name = `${view.customer.replace(/[^\w.-]/g, '_')}-${what === 'json' ? 'all' : what}-${instant(view.from).slice(0, 10)}.${type}`;
    const link = el('a', { download: name, href: URL.createObjectURL(new Blob([text], { type: type === 'csv' ? 'text/csv' : 'application/json' })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), MINUTE);
  } catch (error) {
    $('banner').hidden = false;
    $('banner').textContent = `Nothing was saved: ${error.message || 'the server cannot be reached'}`;
  }
}
