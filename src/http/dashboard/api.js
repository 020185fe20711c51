// Questions to the server. The key, if there is one, is sent both as a gateway's API key and as an operator's token;
// the gateway takes off what it does not pass on.

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

async function get(path, params, customer, signal) {
  const headers = {};
  if (customer) headers['x-customer-id'] = customer;
  if (key.get()) Object.assign(headers, { authorization: `Bearer ${key.get()}`, 'x-api-key': key.get() });
  let answer;
  try {
    const given = Object.entries(params).filter(([, value]) => value !== undefined);
    answer = await fetch(`${path}?${new URLSearchParams(given)}`, { headers, signal, cache: 'no-cache', credentials: 'same-origin' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0);
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok || !body) throw new ApiError(answer.status, body);
  return body;
}

// All windows of a range, page by page, without their keys.
async function windows(customer, from, to, size, signal) {
  const params = { from: instant(from), to: instant(to), window: size, top: 0, classes: true, limit: 10000 };
  let all = [], page;
  do {
    page = await get('/aggregates', params, customer, signal).catch((error) => {
      // A server with a lower limit says so; its own default fits.
      if (error.status !== 400 || !error.message.includes('limit must') || !params.limit) throw error;
      delete params.limit;
      return get('/aggregates', params, customer, signal);
    });
    all = all.concat(page.windows);
    params.next = page.next;
  } while (page.next);
  return { customer: page.customerId, windows: all };
}

const top = (customer, dimension, from, to, n, signal) =>
  get('/aggregates/top', { dimension, from: instant(from), to: instant(to), n }, customer, signal);

async function customers() {
  const found = [];
  const params = { limit: 1000 };
  do {
    const page = await get('/customers', params);
    found.push(...page.customers.map((customer) => customer.customerId));
    params.next = page.next;
  } while (params.next && found.length < 5000);
  return found;
}
