"""What one core of each stage does: `deploy/cluster/measure DIR`, on a cluster that is up and otherwise idle.

Without `--binary` it sends insights of made-up batches to Kafka and measures the engines from there on. With `--binary` (a
release build with `--features cluster`) it starts the roles, posts batches over HTTP, and also measures how long it takes from
a 202 until ClickHouse has the batch. Either way it waits until ClickHouse has counted exactly what was sent, and divides by
the processor time that each process took meanwhile. Processor time, not time on the clock: the stages share one machine here,
and none on a real one.
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cache
import clickhouse
import processes
from layout import HOST, Layout

ENGINES = ("broker", "taskmanager", "jobmanager", "clickhouse")
ROLES = {"role-ingest": "ingest", "role-worker": "summarize-worker"}
WITH_ROLES = ("role-ingest", "role-worker", "radosgw", "osd", *ENGINES)
TIMEOUT_S = 240
CLIENTS = 4
BODIES = 16
LATENCY_SAMPLES = 60
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
          "Mobile/15E148 Safari/604.1", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "curl/8.5.0")


class Load:
    """What is sent: batches of so many entries, in windows of the last ten minutes, of customers named after the run."""

    def __init__(self, layout: Layout, entries: int):
        self.layout = layout
        self.entries = entries
        self.run = f"measure{int(time.time())}"
        # Windows of now: older than what the cluster has seen by a week, insights would be late.
        self.first_minute = int(time.time()) // 60 * 60 - 600

    def send(self, first: int, last: int) -> int:
        """Sends these batches (the last one excluded); returns the entries they count."""
        command = ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{cache.jars('kafka')}/*",
                   str(cache.HERE / "lib" / "Insights.java"), self.layout.address("kafka"), self.run, str(first), str(last),
                   str(self.entries), str(self.first_minute)]
        return int(subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)

    def wait_for(self, entries: int) -> None:
        """Waits until ClickHouse has counted exactly these entries, by path and by agent."""
        deadline = time.monotonic() + TIMEOUT_S
        for table in ("minute_by_path", "minute_by_agent"):
            question = f"SELECT sum(requests) FROM {table} FINAL WHERE startsWith(customer, '{self.run}-')"
            while (counted := int(clickhouse.query(self.layout, question))) != entries:
                if counted > entries or time.monotonic() > deadline:
                    raise SystemExit(f"{table} has {counted} of {entries} entries")
                time.sleep(0.5)


class HttpLoad(Load):
    """The same by HTTP, through the roles: bodies of a real gateway's size, a few of them under many keys."""

    def __init__(self, layout: Layout, entries: int, port: int):
        super().__init__(layout, entries)
        self.port = port
        self.bodies = [self._body(random.Random(number)) for number in range(BODIES)]

    def _body(self, rng: random.Random) -> bytes:
        start = self.first_minute + 60 * rng.randrange(10)
        return "\n".join(
            json.dumps({"receivedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start + rng.randrange(60))),
                        "method": "GET", "path": f"/shop/category/{int(40 * rng.random() ** 2)}",
                        "userAgent": rng.choice(AGENTS)})
            for _ in range(self.entries)).encode()

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
                status = self.post(connection, f"{self.run}-{number % 20}", f"batch-{number}", self.bodies[number % BODIES])
                if status != 202:
                    problems.append(f"batch {number}: {status}")

        clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        if problems:
            raise SystemExit(problems[0])
        return (last - first) * self.entries

    @staticmethod
    def post(connection: http.client.HTTPConnection, customer: str, key: str, body: bytes) -> int:
        connection.request("POST", "/logs", body, {
            "x-customer-id": customer, "idempotency-key": key, "content-type": "application/x-ndjson"})
        response = connection.getresponse()
        response.read()
        return response.status

    def latencies_s(self) -> list[float]:
        """Seconds from a 202 until ClickHouse answers with the batch, of single batches."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        body = self.bodies[0].split(b"\n")[0]
        samples = []
        for number in range(LATENCY_SAMPLES):
            customer = f"latency-{self.run}-{number}"
            if self.post(connection, customer, "batch", body) != 202:
                raise SystemExit("a single batch was not taken")
            began = time.monotonic()
            question = f"SELECT count() FROM minute_by_path WHERE customer = '{customer}'"
            while clickhouse.query(self.layout, question).strip() == "0":
                time.sleep(0.01)
            samples.append(time.monotonic() - began)
        return sorted(samples)


def cpu_s(layout: Layout, stages: tuple[str, ...]) -> dict[str, float]:
    """Processor seconds that each stage has taken since it started."""
    ticks = os.sysconf("SC_CLK_TCK")
    taken = {}
    for name in stages:
        stat = Path(f"/proc/{processes.find(layout, name)}/stat").read_text()
        fields = stat[stat.rindex(")") + 2 :].split()
        taken[name] = (int(fields[11]) + int(fields[12])) / ticks
    return taken


def start_roles(layout: Layout, binary: Path) -> int:
    """Starts an ingest and a worker; returns the ingest's port."""
    endpoints = layout.endpoints()
    ports = {}
    for component, role in ROLES.items():
        ports[component] = layout.another_port()
        processes.start(layout, component, [str(binary.resolve()), role], {
            "LOG_ANALYTICS_S3": f"{endpoints['S3_ENDPOINT']}/{endpoints['S3_BUCKET']}",
            "LOG_ANALYTICS_S3_REGION": endpoints["S3_REGION"],
            "AWS_ACCESS_KEY_ID": endpoints["S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": endpoints["S3_SECRET_KEY"],
            "LOG_ANALYTICS_KAFKA": endpoints["KAFKA"],
            "LOG_ANALYTICS_LISTEN": f"{HOST}:{ports[component]}",
            "LOG_ANALYTICS_WORKER_ID": "measure",
        })
    for component in ROLES:
        processes.wait_until(layout, component, lambda: _ready(ports[component]))
    return ports["role-ingest"]


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def measure(load: Load, batches: int, stages: tuple[str, ...]) -> None:
    # The first quarter warms the virtual machines up and is not measured.
    warm = batches // 4
    counted = load.send(0, warm)
    load.wait_for(counted)
    before, began = cpu_s(load.layout, stages), time.monotonic()
    measured = load.send(warm, warm + batches)
    load.wait_for(counted + measured)
    seconds = time.monotonic() - began
    after = cpu_s(load.layout, stages)
    print(f"{batches} batches, {measured} entries, all counted after {seconds:.1f} s")
    print(f"{'stage':14}{'CPU s':>8}{'batches/s a core':>20}{'entries/s a core':>20}")
    for name in stages:
        taken = max(after[name] - before[name], 0.01)
        print(f"{name:14}{taken:8.1f}{batches / taken:20,.0f}{measured / taken:20,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--batches", type=int, default=40_000)
    parser.add_argument("--entries", type=int, default=1_000, help="entries of a batch")
    parser.add_argument("--binary", type=Path, help="log-analytics with --features cluster: measure the roles as well")
    arguments = parser.parse_args()
    layout = Layout(arguments.dir)
    layout.load()
    if arguments.binary is None:
        measure(Load(layout, arguments.entries), arguments.batches, ENGINES)
        return
    try:
        load = HttpLoad(layout, arguments.entries, start_roles(layout, arguments.binary))
        measure(load, arguments.batches, WITH_ROLES)
        seconds = load.latencies_s()
        print(f"from 202 to ClickHouse: median {seconds[len(seconds) // 2]:.2f} s, "
              f"slowest of {len(seconds)} {seconds[-1]:.2f} s")
    finally:
        for component in ROLES:
            processes.end(layout, component, signal.SIGTERM, 40.0)


if __name__ == "__main__":
    sys.exit(main())
