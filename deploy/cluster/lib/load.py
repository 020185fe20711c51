"""What `measure` sends: batches of made-up full entries, as insights to Kafka or by HTTP through the roles.

Bodies and insights are made before anything is measured; a few of them are sent in turn, under other ids. Customers are
named after the run, so that what is counted can be told from what was there before. Which customer and which minute a batch
is of decides how many keys share the work: one customer and one minute is the hottest key there is.
"""

import gzip
import http.client
import random
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import cache
import clickhouse
import entries
from layout import HOST, Layout

TIMEOUT_S = 240
CLIENTS = 4
BODIES = 128
LATENCY_SAMPLES = 60
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
    """Batches of one run: who sends them says how."""

    def __init__(self, layout: Layout, shape: Shape):
        self.layout = layout
        self.shape = shape
        self.run = f"measure{int(time.time())}"
        # Windows of now: older than what the cluster has seen by a week, insights would be late.
        first_minute = int(time.time()) // 60 * 60 - 60 * shape.minutes
        # The minute of each body.
        self.minutes = [first_minute + 60 * random.Random(number).randrange(shape.minutes) for number in range(BODIES)]
        self.plain = [entries.ndjson(shape.entries, shape.paths, minute, random.Random(number))
                      for number, minute in enumerate(self.minutes)]

    def send(self, first: int, last: int) -> int:
        """Sends these batches (the last one excluded); returns the entries they count."""
        raise NotImplementedError

    def wait_for(self, count: int) -> None:
        """Waits until ClickHouse has counted exactly these entries, in total, by path and by family."""
        deadline = time.monotonic() + TIMEOUT_S
        for rows in ("minute_totals FINAL WHERE 1", "minute_keys FINAL WHERE dimension = 'path'",
                     "minute_keys FINAL WHERE dimension = 'userAgent'"):
            question = f"SELECT sum(requests) FROM {rows} AND startsWith(customer, '{self.run}-')"
            while (counted := int(clickhouse.query(self.layout, question))) != count:
                if counted > count or time.monotonic() > deadline:
                    raise SystemExit(f"{rows}: {counted} of {count} entries")
                time.sleep(0.5)


class InsightLoad(Load):
    """Insights, straight to Kafka, as a worker would make them of the bodies; one in ten is sent twice."""

    def __init__(self, layout: Layout, shape: Shape, binary: Path):
        super().__init__(layout, shape)
        # A window as `summarize` prints it is what an insight carries.
        windows = [subprocess.run([binary, "summarize", "--threads", "1", "-"], input=body, check=True, capture_output=True).stdout
                   for body in self.plain]
        self.windows = layout.root / "windows.ndjson"
        self.windows.write_bytes(b"".join(windows))

    def send(self, first: int, last: int) -> int:
        command = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{cache.jars('kafka')}/*",
                   str(cache.HERE / "lib" / "Insights.java"), self.layout.address("kafka"), self.run, str(first), str(last),
                   str(self.windows), str(self.shape.customers)]
        return int(subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)


class HttpLoad(Load):
    """By HTTP, through the roles."""

    def __init__(self, layout: Layout, shape: Shape, port: int, encoding: str):
        super().__init__(layout, shape)
        self.port = port
        self.encoding = encoding
        self.bodies = [ENCODINGS[encoding](body) for body in self.plain]

    def name(self, number: int) -> tuple[str, str]:
        """Customer and id of a batch."""
        return f"{self.run}-{number % self.shape.customers}", str(uuid.UUID(int=random.Random(number).getrandbits(128)))

    def objects(self, number: int) -> tuple[str, str]:
        """The keys of a batch's body and of its summary."""
        customer, batch = self.name(number)
        minute = time.strftime("%Y%m%dT%H%MZ", time.gmtime(self.minutes[number % BODIES]))
        return f"raw/{customer}/{batch}", f"summaries/{customer}/hour/{minute}-1/{batch}"

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
