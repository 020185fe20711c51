"""What one core of each stage does, and what it keeps: `deploy/cluster/measure DIR`, on a cluster that is up and else idle.

Without `--binary` it sends insights of made-up batches to Kafka and measures the engines from there on. With `--binary` (a
release build with `--features cluster`) it starts the roles, posts batches over HTTP, and also measures how long it takes from
a 202 until ClickHouse has the batch. Either way it waits until ClickHouse has counted exactly what was sent, and divides by
the processor time that each process took meanwhile, but for what virtual machines took to compile their code, which ends after
minutes. Processor time, not time on the clock: the stages share one machine here, and none on a real one.

All batches of one window (`--customers 1 --minutes 1`) have one key: one partition, one task of each step, whatever there is
beside them. What one key can do is bounded by the busiest thread of the TaskManager, so that is told as well.
"""

import argparse
import http.client
import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import processes
import stored
from layout import HOST, Layout
from load import ENCODINGS, BODIES, HttpLoad, Load, Shape

ENGINES = ("broker", "taskmanager", "jobmanager", "clickhouse")
ROLES = {"role-ingest": "ingest", "role-worker": "summarize-worker"}
WITH_ROLES = ("role-ingest", "role-worker", "radosgw", "osd", *ENGINES)
TOPICS = ("batch-ingested", "insight-events")
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
    layout, warm = load.layout, batches // 4
    counted = load.send(0, warm)
    load.wait_for(counted)
    state, rows = stored.state_bytes(layout), stored.inserted_rows(layout)
    topics = {topic: stored.topic_bytes(layout, topic) for topic in TOPICS}
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
    print(f"state of the window job: {(stored.state_bytes(layout) - state) / batches:,.0f} bytes a batch")


def tell_objects(load: HttpLoad) -> None:
    """Prints how large the objects of the batches are, and their bodies before they were coded."""
    names = [load.name(number) for number in range(BODIES)]
    per_entry = lambda size: size / (BODIES * load.shape.entries)
    print(f"bodies: {per_entry(sum(map(len, load.plain))):.1f} bytes an entry")
    for prefix in ("raw", "summaries"):
        size = sum(stored.object_bytes(load.layout, prefix, *name) for name in names)
        print(f"objects in {prefix}/: {per_entry(size):.1f} bytes an entry, {size / BODIES:,.0f} a batch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--batches", type=int, default=40_000)
    parser.add_argument("--entries", type=int, default=1_000, help="entries of a batch")
    parser.add_argument("--paths", type=int, default=40, help="distinct paths; few of them are most of the entries")
    parser.add_argument("--customers", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=10, help="distinct minutes; a batch is of one")
    parser.add_argument("--binary", type=Path, help="log-analytics with --features cluster: measure the roles as well")
    parser.add_argument("--encoding", choices=ENCODINGS, default="identity",
                        help="how bodies are sent and stored (zstd needs the program zstd)")
    parser.add_argument("--no-latency", action="store_true", help="leave out the time from 202 to ClickHouse")
    parser.add_argument("--rows", action="store_true", help="only tell how many bytes a row takes in ClickHouse")
    arguments = parser.parse_args()
    layout = Layout(arguments.dir)
    layout.load()
    if arguments.rows:
        for dimension, size in stored.row_bytes(layout).items():
            print(f"minute_keys, {dimension}: {size:.1f} bytes a row without measures")
        return
    shape = Shape(arguments.entries, arguments.paths, arguments.customers, arguments.minutes)
    if arguments.binary is None:
        measure(Load(layout, shape), arguments.batches, ENGINES)
        return
    try:
        load = HttpLoad(layout, shape, start_roles(layout, arguments.binary), arguments.encoding)
        measure(load, arguments.batches, WITH_ROLES)
        tell_objects(load)
        if not arguments.no_latency:
            seconds = load.latencies_s()
            print(f"from 202 to ClickHouse: median {seconds[len(seconds) // 2]:.2f} s, "
                  f"slowest of {len(seconds)} {seconds[-1]:.2f} s")
    finally:
        for component in ROLES:
            processes.end(layout, component, signal.SIGTERM, 40.0)


if __name__ == "__main__":
    sys.exit(main())
