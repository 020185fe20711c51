"""What one core of each engine does: `deploy/cluster/measure DIR`, on a cluster that is up and otherwise idle.

Sends insights of made-up batches to Kafka, waits until ClickHouse has every entry, and divides by the processor time that each
process took meanwhile. Processor time, not time on the clock: the stages share one machine here, and none on a real one.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import cache
import clickhouse
import processes
from layout import Layout

STAGES = ("broker", "taskmanager", "jobmanager", "clickhouse")
TIMEOUT_S = 240


def cpu_s(layout: Layout) -> dict[str, float]:
    """Processor seconds that each stage has taken since it started."""
    ticks = os.sysconf("SC_CLK_TCK")
    taken = {}
    for name in STAGES:
        stat = Path(f"/proc/{processes.find(layout, name)}/stat").read_text()
        fields = stat[stat.rindex(")") + 2 :].split()
        taken[name] = (int(fields[11]) + int(fields[12])) / ticks
    return taken


def send(layout: Layout, run: str, first: int, last: int, entries: int) -> int:
    """Sends insights; returns the entries they count."""
    command = ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{cache.jars('kafka')}/*",
               str(cache.HERE / "lib" / "Insights.java"), layout.address("kafka"), run, str(first), str(last), str(entries),
               # Windows of now: older than what the cluster has seen by a week, insights would be late.
               str(int(run.removeprefix("measure")) // 60 * 60 - 600)]
    return int(subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)


def wait_for(layout: Layout, run: str, entries: int) -> None:
    """Waits until ClickHouse has counted exactly these entries, by path and by agent."""
    deadline = time.monotonic() + TIMEOUT_S
    for table in ("minute_by_path", "minute_by_agent"):
        question = f"SELECT sum(requests) FROM {table} FINAL WHERE startsWith(customer, '{run}-')"
        while (counted := int(clickhouse.query(layout, question))) != entries:
            if counted > entries or time.monotonic() > deadline:
                raise SystemExit(f"{table} has {counted} of {entries} entries")
            time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--batches", type=int, default=40_000)
    parser.add_argument("--entries", type=int, default=1_000, help="entries of a batch")
    arguments = parser.parse_args()
    layout = Layout(arguments.dir)
    layout.load()
    run = f"measure{int(time.time())}"
    # The first quarter warms the virtual machines up and is not measured.
    warm = arguments.batches // 4
    counted = send(layout, run, 0, warm, arguments.entries)
    wait_for(layout, run, counted)
    before, began = cpu_s(layout), time.monotonic()
    measured = send(layout, run, warm, warm + arguments.batches, arguments.entries)
    wait_for(layout, run, counted + measured)
    seconds = time.monotonic() - began
    after = cpu_s(layout)
    print(f"{arguments.batches} batches, {measured} entries, all counted after {seconds:.1f} s")
    print(f"{'stage':14}{'CPU s':>8}{'batches/s a core':>20}{'entries/s a core':>20}")
    for name in STAGES:
        taken = after[name] - before[name]
        print(f"{name:14}{taken:8.1f}{arguments.batches / taken:20,.0f}{measured / taken:20,.0f}")


if __name__ == "__main__":
    sys.exit(main())
