"""What one core of each stage does, and what it keeps: `deploy/cluster/measure DIR --binary BINARY`, on a cluster that is up and
else idle. BINARY is a release build with `--features cluster`.

It starts the roles, posts batches of full entries over HTTP, and also measures how long it takes from a 202 until ClickHouse has
the batch. With `--engines` it sends to Kafka the insights that a worker would make of the batches, and measures the engines from
there on. Either way it waits until ClickHouse has counted exactly what was sent, and divides by the processor time that each
process took meanwhile, but for what virtual machines took to compile their code, which ends after minutes. Processor time, not
time on the clock: the stages share one machine here, and none on a real one.

All batches of one window (`--customers 1 --minutes 1`) have one key: one partition, one task of each step, whatever there is
beside them. What one key can do is bounded by the busiest thread of the TaskManager, so that is told as well.
"""

import argparse
import http.client
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import processes
import stored
from layout import HOST, Layout
from load import ENCODINGS, BODIES, HttpLoad, InsightLoad, Load, Shape

ENGINES = ("broker", "taskmanager", "jobmanager", "clickhouse")
ROLES = {"role-ingest": "ingest", "role-worker": "summarize-worker"}
WITH_ROLES = ("role-ingest", "role-worker", "radosgw", "osd", *ENGINES)
TOPICS = ("batch-ingested", "insight-events")
SECRET_BYTES = 16
STORE_REQUESTS = r'^log_analytics_store_request_seconds_count\{operation="([^"]+)"\} (\d+)$'
COMPILERS = ("C1 Compiler", "C2 Compiler")


class Taken(NamedTuple):
    """Processor seconds of a stage since it started, in all and by its threads (with their names)."""

    all: float
    threads: dict[str, tuple[str, float]]

    def since(self, before: "Taken") -> tuple[float, float, list[tuple[float, str]]]:
        """Seconds taken since then: in all, for compiling (a virtual machine's, which ends after minutes), and by thread."""
        threads = [(taken - before.threads.get(thread, (name, 0.0))[1], name)
                   for thread, (name, taken) in self.threads.items()]
        compiling = sum(taken for taken, name in threads if name.startswith(COMPILERS))
        return self.all - before.all, compiling, sorted(threads, reverse=True)


def cpu_s(layout: Layout, stages: tuple[str, ...]) -> dict[str, Taken]:
    """Processor seconds that each stage has taken."""
    taken = {}
    for name in stages:
        process, threads = Path(f"/proc/{processes.find(layout, name)}"), {}
        for thread in (process / "task").iterdir():
            try:
                threads[thread.name] = _taken(thread / "stat")
            except (FileNotFoundError, ProcessLookupError):
                # It has ended meanwhile.
                continue
        taken[name] = Taken(_taken(process / "stat")[1], threads)
    return taken


def _taken(stat: Path) -> tuple[str, float]:
    """Name and processor seconds."""
    text = stat.read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return text[text.index("(") + 1 : text.rindex(")")], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_roles(layout: Layout, binary: Path) -> dict[str, int]:
    """Starts an ingest and a worker; returns their ports."""
    endpoints = layout.endpoints()
    secret = layout.root / "secret"
    if not secret.exists():
        secret.write_bytes(os.urandom(SECRET_BYTES))
    ports = {}
    for component, role in ROLES.items():
        ports[component] = layout.another_port()
        processes.start(layout, component, [str(binary.resolve()), role], {
            "LOG_ANALYTICS_S3": f"{endpoints['S3_ENDPOINT']}/{endpoints['S3_BUCKET']}",
            "LOG_ANALYTICS_S3_REGION": endpoints["S3_REGION"],
            "AWS_ACCESS_KEY_ID": endpoints["S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": endpoints["S3_SECRET_KEY"],
            "LOG_ANALYTICS_SECRET_FILE": str(secret),
            "LOG_ANALYTICS_KAFKA": endpoints["KAFKA"],
            "LOG_ANALYTICS_LISTEN": f"{HOST}:{ports[component]}",
            "LOG_ANALYTICS_WORKER_ID": "measure",
        })
    for component in ROLES:
        processes.wait_until(layout, component, lambda: _ready(ports[component]))
    return ports


def _ready(port: int) -> bool:
    try:
        return _get(port, "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _get(port: int, target: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def store_requests(ports: dict[str, int]) -> Counter[str]:
    """Requests to the object store that the roles have made, by operation."""
    made: Counter[str] = Counter()
    for port in ports.values():
        for operation, count in re.findall(STORE_REQUESTS, _get(port, "/metrics")[1], re.MULTILINE):
            made[operation] += int(count)
    return made


def measure(load: Load, batches: int, stages: tuple[str, ...], ports: dict[str, int]) -> None:
    # The first quarter warms the virtual machines up and is not measured.
    layout, warm = load.layout, batches // 4
    counted = load.send(0, warm)
    load.wait_for(counted)
    state, rows = stored.state_bytes(layout), stored.inserted_rows(layout)
    topics = {topic: stored.topic_bytes(layout, topic) for topic in TOPICS}
    requests = store_requests(ports)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, the warming up of this included")
    before, began = cpu_s(layout, stages), time.monotonic()
    measured = load.send(warm, warm + batches)
    load.wait_for(counted + measured)
    seconds, rows, after = time.monotonic() - began, stored.inserted_rows(layout) - rows, cpu_s(layout, stages)
    print(f"{batches} batches, {measured} entries, {rows} rows into ClickHouse, all counted after {seconds:.1f} s")
    print(f"{'stage':12}{'CPU s':>8}{'compiling':>11}{'batches/s a core':>18}{'entries/s a core':>18}{'rows/s a core':>15}")
    for name in stages:
        taken, compiling, threads = after[name].since(before[name])
        left = max(taken - compiling, 0.01)
        print(f"{name:12}{taken:8.1f}{compiling:11.1f}{batches / left:18,.0f}{measured / left:18,.0f}{rows / left:15,.0f}")
        if name == "taskmanager":
            busiest = next((taken, thread) for taken, thread in threads if not thread.startswith(COMPILERS))
    print(f"busiest thread of the taskmanager: {busiest[1]}, {batches / max(busiest[0], 0.01):,.0f} batches/s if it never waits")
    for topic, size in topics.items():
        print(f"{topic}: {(stored.topic_bytes(layout, topic) - size) / batches:,.0f} bytes a batch, one replica")
    for operation, count in sorted((store_requests(ports) - requests).items()):
        print(f"requests to the object store, {operation}: {count / batches:.2f} a batch")
    in_all = stored.state_bytes(layout)
    print(f"state of the window job: {(in_all - state) / batches:,.0f} bytes a batch, {in_all:,} bytes in all")


def tell_objects(load: HttpLoad) -> None:
    """Prints how large the objects of the batches are, and their bodies before they were coded."""
    per_entry = lambda size: size / (BODIES * load.shape.entries)
    print(f"bodies: {per_entry(sum(map(len, load.plain))):.1f} bytes an entry")
    for keys in zip(*(load.objects(number) for number in range(BODIES))):
        size = sum(stored.object_bytes(load.layout, key) for key in keys)
        print(f"objects in {keys[0].split('/')[0]}/: {per_entry(size):.1f} bytes an entry, {size / BODIES:,.0f} a batch")


def tell_rows(load: Load) -> None:
    """Prints what ClickHouse keeps of the run."""
    for kind, rows in stored.kept_rows(load.layout, load.run).items():
        print(f"rows of {kind}: {rows.count:,}, {rows.size_bytes / rows.count:.1f} bytes each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--binary", type=Path, required=True, help="log-analytics, a release build with --features cluster")
    parser.add_argument("--engines", action="store_true", help="send insights to Kafka: without the roles and the object store")
    parser.add_argument("--batches", type=int, default=3_000)
    parser.add_argument("--entries", type=int, default=1_000, help="entries of a batch")
    parser.add_argument("--paths", type=int, default=4_000, help="distinct paths; few of them are most of the entries")
    parser.add_argument("--customers", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=10, help="distinct minutes; a batch is of one")
    parser.add_argument("--encoding", choices=ENCODINGS, default="identity",
                        help="how bodies are sent and stored (zstd needs the program zstd)")
    parser.add_argument("--no-latency", action="store_true", help="leave out the time from 202 to ClickHouse")
    arguments = parser.parse_args()
    layout = Layout(arguments.dir)
    layout.load()
    shape = Shape(arguments.entries, arguments.paths, arguments.customers, arguments.minutes)
    if arguments.engines:
        load = InsightLoad(layout, shape, arguments.binary.resolve())
        measure(load, arguments.batches, ENGINES, {})
        tell_rows(load)
        return
    try:
        ports = start_roles(layout, arguments.binary)
        load = HttpLoad(layout, shape, ports["role-ingest"], arguments.encoding)
        measure(load, arguments.batches, WITH_ROLES, ports)
        tell_objects(load)
        tell_rows(load)
        if not arguments.no_latency:
            seconds = load.latencies_s()
            print(f"from 202 to ClickHouse: median {seconds[len(seconds) // 2]:.2f} s, "
                  f"slowest of {len(seconds)} {seconds[-1]:.2f} s")
    finally:
        for component in ROLES:
            processes.end(layout, component, signal.SIGTERM, 40.0)


if __name__ == "__main__":
    sys.exit(main())
