"""Made-up access-log entries of eleven fields (all but the route), like those that `bench/entries.rs full` prints: about 365
bytes each, paths and user agents by Zipf's law, nearly every request from another address.

Input: how many entries, how many paths, and random numbers. Output: NDJSON; and how many keys so many entries have. Never: a
clock, a file, a connection.
"""

import itertools
import random
import time

AGENTS = 300
METHODS = ("GET",) * 6 + ("POST", "HEAD")
HOSTS = ("www.example.com", "shop.example.com", "api.example.com", "example.org")
STATUSES = (200,) * 6 + (304, 301, 404, 500)
COUNTRIES = ("DE", "US", "FR", "GB", "NL", "IN", "BR", "JP")
# Families: Chrome, Firefox, Googlebot and curl. Referrers: a search engine and forty news sites; an entry's own host is none.
FEW_KEYS = 4 + len(HOSTS) + len(COUNTRIES)
REFERRERS = ((1 / 8, 1), (1 / 320, 40))


def path(number: int) -> str:
    area = ("products", "articles", "users", "search", "static/js", "api/v2/orders")[number % 6]
    return (f"/{area}/{number * 7_919 % 100_003}",
            f"/{area}/{number}/details?page={number % 13}&sort=price",
            f"/{area}/{number * 31}/comments")[number % 3]


def agent(number: int) -> str:
    major, build = 90 + number % 60, number * 37 % 6_000
    system = ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")[number % 3]
    chrome = f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.{build}.0 Safari/537.36"
    return (*[chrome] * 5, f"Mozilla/5.0 (X11; Linux x86_64; rv:{major}.0) Gecko/20100101 Firefox/{major}.{build}",
            f"Mozilla/5.0 (compatible; Googlebot/2.{build}; +http://www.google.com/bot.html)",
            f"curl/8.{build}.{major}")[number % 8]


def weights(count: int) -> list[float]:
    """Zipf's law: number k of n comes in proportion to 1/(k+1). They sum to 1."""
    total = sum(1 / k for k in range(1, count + 1))
    return [1 / k / total for k in range(1, count + 1)]


def ndjson(count: int, paths: int, minute_s: int, rng: random.Random) -> bytes:
    """So many entries of one minute (seconds since 1970) and of so many distinct paths."""
    drawn_paths = rng.choices([path(number) for number in range(paths)], cum_weights=_sums(paths), k=count)
    drawn_agents = rng.choices([agent(number) for number in range(AGENTS)], cum_weights=_sums(AGENTS), k=count)
    stamp = time.strftime("%Y-%m-%dT%H:%M:", time.gmtime(minute_s))
    return "".join(_line(stamp, *drawn, rng) for drawn in zip(drawn_paths, drawn_agents)).encode()


def keys(count: float, paths: int) -> float:
    """How many distinct keys so many entries have on average, of all dimensions."""
    methods = {method: METHODS.count(method) / len(METHODS) for method in METHODS}
    of_paths = sum(_seen(weight * method, count) for weight in weights(paths) for method in methods.values())
    return of_paths + FEW_KEYS + sum(_seen(each, count) * number for each, number in REFERRERS)


def _seen(probability: float, count: float) -> float:
    """The probability that a key of this probability is among so many entries."""
    return 1 - (1 - probability) ** count


def _sums(count: int) -> list[float]:
    return list(itertools.accumulate(weights(count)))


def _line(stamp: str, drawn_path: str, drawn_agent: str, rng: random.Random) -> str:
    below = lambda bound: int(rng.random() * bound)
    host = HOSTS[below(4)]
    kind = below(8)
    if kind < 4:
        referrer = "-"
    elif kind < 6:
        referrer = f"https://{host}/products/{below(300)}"
    elif kind == 6:
        referrer = "https://www.google.com/"
    else:
        referrer = f"https://news{below(40)}.example.net/story?id={below(1_000)}"
    client = f"203.0.{below(64)}.{below(256)}" if below(8) else f"2001:db8::{below(0xFFF):x}"
    # Most answers take milliseconds, some much longer.
    micros = below(1 << 14) + 500 << below(6)
    return (f'{{"receivedAt":"{stamp}{below(60):02}.{below(1_000):03}Z","method":"{METHODS[below(8)]}","path":"{drawn_path}",'
            f'"userAgent":"{drawn_agent}","status":{STATUSES[below(10)]},"responseBytes":{below(50_000)},'
            f'"durationSeconds":{micros // 1_000_000}.{micros % 1_000_000:06},"host":"{host}","referrer":"{referrer}",'
            f'"clientIp":"{client}","country":"{COUNTRIES[below(8)]}"}}\n')
