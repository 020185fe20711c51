"""What `measure` sends: batches of made-up entries, as insights to Kafka or by HTTP through the roles.

Customers are named after the run, so that what is counted can be told from what was there before. Which customer and
which minute a batch is of decides how many keys share the work: one customer and one minute is the hottest key there is.
"""

import gzip
import http.client
import json
import random
import subprocess
import threading
import time
import uuid
from typing import NamedTuple

import cache
import clickhouse
from layout import HOST, Layout

TIMEOUT_S = 240
CLIENTS = 4
BODIES = 128
LATENCY_SAMPLES = 60
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
          "Mobile/15E148 Safari/604.1", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.5.0")
ENCODINGS = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "zstd": lambda body: subprocess.run(["zstd", "-q", "-c"], input=body, check=True, capture_output=True).stdout,
}


class Shape(NamedTuple):
    """What batches are like. Each is of one customer and one minute."""

    entries: int
    paths: int
    customers: int
    minutes: int


class Load:
    """Insights, straight to Kafka; one in ten is sent twice."""

    def __init__(self, layout: Layout, shape: Shape):
        self.layout = layout
        self.shape = shape
        self.run = f"measure{int(time.time())}"
        # Windows of now: older than what the cluster has seen by a week, insights would be late.
        self.first_minute = int(time.time()) // 60 * 60 - 60 * shape.minutes

    def send(self, first: int, last: int) -> int:
        """Sends these batches (the last one excluded); returns the entries they count."""
        command = ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{cache.jars('kafka')}/*",
                   str(cache.HERE / "lib" / "Insights.java"), self.layout.address("kafka"), self.run, str(first), str(last),
                   str(self.first_minute), *map(str, self.shape)]
        return int(subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)

    def wait_for(self, entries: int) -> None:
        """Waits until ClickHouse has counted exactly these entries, in total, by path and by family."""
        deadline = time.monotonic() + TIMEOUT_S
        for rows in ("minute_totals FINAL WHERE 1", "minute_keys FINAL WHERE dimension = 'path'",
                     "minute_keys FINAL WHERE dimension = 'userAgent'"):
            question = f"SELECT sum(requests) FROM {rows} AND startsWith(customer, '{self.run}-')"
            while (counted := int(clickhouse.query(self.layout, question))) != entries:
                if counted > entries or time.monotonic() > deadline:
                    raise SystemExit(f"{rows}: {counted} of {entries} entries")
                time.sleep(0.5)


class HttpLoad(Load):
    """The same by HTTP, through the roles: bodies of a real gateway's size, some of them under many keys."""

    def __init__(self, layout: Layout, shape: Shape, port: int, encoding: str):
        super().__init__(layout, shape)
        self.port = port
        self.encoding = encoding
        self.plain = [self._body(random.Random(number)) for number in range(BODIES)]
        self.bodies = [ENCODINGS[encoding](body) for body in self.plain]

    def _body(self, rng: random.Random) -> bytes:
        start = self.first_minute + 60 * rng.randrange(self.shape.minutes)
        return "\n".join(
            json.dumps({"receivedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + rng.randrange(60))),
                        "method": "GET", "path": f"/shop/category/{int(self.shape.paths * rng.random() ** 2)}",
                        "userAgent": rng.choice(AGENTS)})
            for _ in range(self.shape.entries)).encode()

    def name(self, number: int) -> tuple[str, str]:
        """Customer and id of a batch."""
        return f"{self.run}-{number % self.shape.customers}", str(uuid.UUID(int=random.Random(number).getrandbits(128)))

    def send(self, first: int, last: int) -> int:
        numbers = iter(range(first, last))
        lock = threading.Lock()
        problems: list[str] = []

        def client() -> None:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
            while not problems:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                status = self.post(connection, *self.name(number), self.bodies[number % BODIES])
                if status != 202:
                    problems.append(f"batch {number}: {status}")

        clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        if problems:
            raise SystemExit(problems[0])
        return (last - first) * self.shape.entries

    def post(self, connection: http.client.HTTPConnection, customer: str, key: str, body: bytes) -> int:
        connection.request("POST", "/logs", body, {
            "x-customer-id": customer, "idempotency-key": key, "content-type": "application/x-ndjson",
            "content-encoding": self.encoding})
        response = connection.getresponse()
        response.read()
        return response.status

    def latencies_s(self) -> list[float]:
        """Seconds from a 202 until ClickHouse answers with the batch, of single batches."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        body = ENCODINGS[self.encoding](self.plain[0].split(b"\n")[0])
        samples = []
        for number in range(LATENCY_SAMPLES):
            customer = f"latency-{self.run}-{number}"
            if self.post(connection, customer, "batch", body) != 202:
                raise SystemExit("a single batch was not taken")
            began = time.monotonic()
            question = f"SELECT count() FROM minute_totals WHERE customer = '{customer}'"
            while clickhouse.query(self.layout, question).strip() == "0":
                time.sleep(0.01)
            samples.append(time.monotonic() - began)
        return sorted(samples)
