"""Starts, finds and ends the processes of a cluster.

A component's process is remembered in `run/<component>.json` as its id and the time the kernel gave for its start, so
that a recycled id is never taken for it. Only processes that were started from here are ever signalled.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Mapping, Sequence

from layout import Layout


class NotReady(Exception):
    """A component did not become ready in time, or ended before it did."""


def start(layout: Layout, component: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Starts a component in a session of its own, its output appended to its log. Does nothing if it runs."""
    if find(layout, component) is not None:
        return
    with layout.log(component).open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=layout.root,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    record = {"pid": process.pid, "started": _started(process.pid), "command": list(command)}
    temporary = layout.run(component).with_suffix(".tmp")
    temporary.write_text(json.dumps(record))
    temporary.rename(layout.run(component))


def find(layout: Layout, component: str) -> int | None:
    """The id of the component's process, if it runs."""
    try:
        record = json.loads(layout.run(component).read_text())
    except FileNotFoundError:
        return None
    started = _started(record["pid"])
    return record["pid"] if started is not None and started == record["started"] else None


def end(layout: Layout, component: str, how: signal.Signals, timeout_s: float) -> bool:
    """Signals the component and waits until it is gone. False if it still runs after the timeout."""
    pid = find(layout, component)
    if pid is None:
        return True
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return True
    deadline = time.monotonic() + timeout_s
    while find(layout, component) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_until(layout: Layout, component: str, ready: Callable[[], bool], timeout_s: float = 90.0) -> None:
    """Waits until a component answers. Raises NotReady, with the end of its log, if it ends or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if find(layout, component) is None:
            raise NotReady(f"{component} has ended:\n{_tail(layout.log(component))}")
        if time.monotonic() > deadline:
            raise NotReady(f"{component} is not ready after {timeout_s:.0f} s:\n{_tail(layout.log(component))}")
        time.sleep(0.1)


def memory_mib(pid: int) -> int:
    """The resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def _started(pid: int) -> str | None:
    """When the kernel started this process, in its own ticks; None if it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything; the fields after it are counted from the third on.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else fields[19]


def _tail(path: Path, lines: int = 20) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
