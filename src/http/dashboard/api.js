// Questions to the server. The key that was entered, if any, is sent both as a gateway's API key and as an operator's
// token; a gateway removes the headers that the server is not to see.

class ApiError extends Error {
  constructor(status, body) {
    super((body && body.errorDescription) || '');
    this.status = status;
    this.requestId = body && body.requestId;
  }
}

const KEY = 'log-analytics-key';
const key = {
  get: () => { try { return sessionStorage.getItem(KEY) || ''; } catch { return ''; } },
  set: (value) => { try { value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY); } catch { /* kept for this page only */ } },
};

// The server runs few queries at once and lets few wait: a page that asks for everything together would be refused.
const turns = { free: 4, waiting: [] };
async function inTurn(question) {
  if (turns.free) turns.free -= 1;
  else await new Promise((go) => turns.waiting.push(go));
  try {
    return await question();
  } finally {
    const next = turns.waiting.shift();
    if (next) next(); else turns.free += 1;
  }
}

// The answer itself; `accept` is what it should be written in.
function ask(target, params, { customer, signal, accept = 'application/json' } = {}) {
  const headers = { accept };
  if (customer) headers['x-customer-id'] = customer;
  if (key.get()) Object.assign(headers, { authorization: `Bearer ${key.get()}`, 'x-api-key': key.get() });
  const given = Object.entries(params).filter(([, value]) => value !== undefined);
  // URLSearchParams writes a blank as `+`, which the server reads as a plus.
  const url = given.length ? `${target}?${String(new URLSearchParams(given)).replaceAll('+', '%20')}` : target;
  return inTurn(async () => {
    let answer;
    try {
      if (signal) signal.throwIfAborted();
      answer = await fetch(url, { headers, signal, cache: 'no-cache', credentials: 'same-origin' });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError(0);
    }
    if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => null));
    return answer;
  });
}

async function get(target, params, options) {
  const answer = await ask(target, params, options);
  const body = await answer.json().catch(() => null);
  if (!body) throw new ApiError(answer.status, null);
  return body;
}

const rangeParams = (from, to) => ({ from: instant(from), to: instant(to), tz: zone.param, where: state.where || undefined });
const options = (signal) => ({ customer: state.customer, signal });

// All windows of a range, page by page, without their keys.
async function windows(from, to, size, signal) {
  const params = { ...rangeParams(from, to), window: size, by: '', classes: true, limit: 10000 };
  let all = [], page;
  do {
    page = await get('/aggregates', params, options(signal)).catch((error) => {
      // A server with a lower limit refuses this one: then its default is taken.
      if (error.status !== 400 || !error.message.includes('limit must') || !params.limit) throw error;
      delete params.limit;
      return get('/aggregates', params, options(signal));
    });
    all = all.concat(page.windows);
    params.next = page.next;
  } while (page.next);
  return { ...page, windows: all };
}

// A whole range as one window: the only way to count its visitors.
const totals = (from, to, signal) => get('/aggregates', { ...rangeParams(from, to), window: 'all', by: '', classes: true }, options(signal));

const top = (dimension, from, to, params, signal) =>
  get('/aggregates/top', { ...rangeParams(from, to), dimension, ...params }, options(signal));

// Lines as they were read, newest first, and the address of the next ones.
async function entries(from, to, limit, more, signal) {
  const params = more ? {} : { ...rangeParams(from, to), tz: undefined, limit };
  const answer = await ask(more || '/entries', params, { ...options(signal), accept: 'application/x-ndjson' });
  const text = await answer.text();
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(answer.headers.get('link') || '');
  const next = link && new URL(link[1], location.origin);
  return { lines: text.split('\n').filter(Boolean).map((line) => JSON.parse(line)), next: next && next.pathname + next.search };
}

const MAX_CUSTOMERS = 5000;
async function customers(signal) {
  const found = [];
  const params = { limit: 1000 };
  do {
    const page = await get('/customers', params, { signal });
    found.push(...page.customers);
    params.next = page.next;
  } while (params.next && found.length < MAX_CUSTOMERS);
  return found;
}
