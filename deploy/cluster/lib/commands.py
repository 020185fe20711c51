"""The commands: `up`, `down`, `start`, `kill` and `status`, each for the cluster in a folder."""

import argparse
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, NamedTuple

import cache
import ceph
import clickhouse
import flink
import kafka
import processes
from layout import Layout


class Component(NamedTuple):
    """One process: what starts it, and what waits until it can be used."""

    start: Callable[[Layout], None]
    wait: Callable[[Layout], None]
    # How long it may take to end after SIGTERM.
    patience_s: float = 10.0


def _nothing(_: Layout) -> None:
    pass


# In the order in which they start; they end in the opposite one.
COMPONENTS: dict[str, Component] = {
    "zookeeper": Component(flink.start_zookeeper, _nothing),
    "mon": Component(ceph.start_mon, _nothing),
    "broker": Component(kafka.start, kafka.wait),
    "osd": Component(ceph.start_osd, _nothing, patience_s=30.0),
    "radosgw": Component(ceph.start_radosgw, ceph.wait),
    "clickhouse": Component(clickhouse.start, clickhouse.wait),
    "jobmanager": Component(flink.start_jobmanager, flink.wait_jobmanager),
    "taskmanager": Component(flink.start_taskmanager, flink.wait_taskmanager),
}

FLINK = ("zookeeper", "jobmanager", "taskmanager")

# What each needs besides itself.
NEEDS = {
    "osd": ("mon",),
    "radosgw": ("mon", "osd"),
    "jobmanager": ("zookeeper", "broker", "clickhouse"),
    "taskmanager": ("zookeeper", "jobmanager", "broker", "clickhouse"),
}


def up(layout: Layout, only: list[str]) -> None:
    """Installs what is missing, starts what does not run, waits until all can be used, prints the endpoints."""
    began = time.monotonic()
    wanted = set(only or (name for name in COMPONENTS if flink.available() or name not in FLINK))
    for component in list(wanted):
        wanted.update(NEEDS.get(component, ()))
    _install(wanted)
    layout.create()
    names = [name for name in COMPONENTS if name in wanted]
    with ThreadPoolExecutor(len(names)) as pool:
        # All start before the first is waited for.
        for name in names:
            COMPONENTS[name].start(layout)
        for waiting in [pool.submit(COMPONENTS[name].wait, layout) for name in names]:
            waiting.result()
    print(layout.write_endpoints(), end="")
    print(f"ready after {time.monotonic() - began:.0f} s", file=sys.stderr)


def down(layout: Layout, purge: bool) -> None:
    """Ends everything: with SIGTERM, so that data stays; with SIGKILL, which is quicker, if data is to be purged."""
    for name in reversed(COMPONENTS):
        if purge:
            processes.end(layout, name, signal.SIGKILL, 10.0)
        elif not processes.end(layout, name, signal.SIGTERM, COMPONENTS[name].patience_s):
            print(f"{name} does not end, it is killed", file=sys.stderr)
            processes.end(layout, name, signal.SIGKILL, 10.0)
    if purge:
        shutil.rmtree(layout.root)


def start(layout: Layout, name: str, savepoint: str | None) -> None:
    """Starts one component again and waits until it can be used."""
    if savepoint is not None:
        flink.start_jobmanager(layout, savepoint)
    COMPONENTS[name].start(layout)
    COMPONENTS[name].wait(layout)


def kill(layout: Layout, name: str) -> None:
    """Kills one component with -9 and waits until it is gone."""
    if processes.find(layout, name) is None:
        raise processes.NotReady(f"{name} does not run")
    processes.end(layout, name, signal.SIGKILL, 10.0)


def status(layout: Layout) -> None:
    """Prints what runs, and the memory it takes."""
    total = 0
    for name in COMPONENTS:
        pid = processes.find(layout, name)
        memory = processes.memory_mib(pid) if pid else 0
        total += memory
        print(f"{name:12} {f'pid {pid}, {memory} MiB' if pid else '-'}")
    print(f"{'all':12} {total} MiB")


def _install(wanted: set[str]) -> None:
    if "mon" in wanted:
        cache.ceph()
    if "broker" in wanted:
        cache.jars("kafka")
    if "clickhouse" in wanted:
        cache.chdb()
    if "zookeeper" in wanted:
        cache.jars("zookeeper")
    if "jobmanager" in wanted:
        cache.jars("flink")
        cache.job_jar()


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    functions = {"up": up, "down": down, "start": start, "kill": kill, "status": status}
    made = {name: commands.add_parser(name, help=function.__doc__) for name, function in functions.items()}
    for command in made.values():
        command.add_argument("dir", type=Path, help="the cluster's folder")
    for name in ("start", "kill"):
        made[name].add_argument("component", choices=COMPONENTS)
    made["start"].add_argument("--from-savepoint", metavar="PATH", help="where the window job begins (jobmanager only)")
    made["up"].add_argument("--only", nargs="+", choices=COMPONENTS, default=[], metavar="COMPONENT",
                            help=f"just these and what they need, of: {', '.join(COMPONENTS)}")
    made["down"].add_argument("--purge", action="store_true", help="delete the folder as well")
    arguments = parser.parse_args()
    layout = Layout(arguments.dir)
    try:
        if arguments.command == "up":
            up(layout, arguments.only)
            return 0
        layout.load()
        if arguments.command == "down":
            down(layout, arguments.purge)
        elif arguments.command == "status":
            status(layout)
        elif arguments.command == "start":
            if arguments.from_savepoint is not None and arguments.component != "jobmanager":
                parser.error("--from-savepoint is for the jobmanager")
            start(layout, arguments.component, arguments.from_savepoint)
        else:
            kill(layout, arguments.component)
    except (processes.NotReady, cache.Missing, RuntimeError, FileNotFoundError) as problem:
        print(f"{arguments.command}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
