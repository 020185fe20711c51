"""ClickHouse: the engine as a library behind `clickhouse_server.py`, and the schema."""

import http.client
import re
import sys
import urllib.parse

import cache
import processes
from layout import DATABASE, HOST, Layout

SCHEMA = cache.HERE.parent / "clickhouse" / "schema.sql"


def start(layout: Layout) -> None:
    data = layout.data("clickhouse")
    data.mkdir(exist_ok=True)
    processes.start(
        layout,
        "clickhouse",
        [sys.executable, str(cache.HERE / "lib" / "clickhouse_server.py"), "--port", str(layout.ports["clickhouse"]),
         "--data", str(data), "--database", DATABASE],
        {"PYTHONPATH": str(cache.chdb())},
    )


def wait(layout: Layout) -> None:
    """Waits until the engine answers, and brings the schema: every statement of it may be run again."""
    processes.wait_until(layout, "clickhouse", lambda: _ping(layout))
    for statement in statements(SCHEMA.read_text()):
        query(layout, statement)


def statements(sql: str) -> list[str]:
    """The statements of a script that has its semicolons at line ends and `--` comments on lines of their own."""
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return [part.strip() for part in re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE) if part.strip()]


def query(layout: Layout, sql: str) -> str:
    """Runs one statement; RuntimeError with the engine's words if it fails."""
    connection = http.client.HTTPConnection(HOST, layout.ports["clickhouse"], timeout=60)
    try:
        connection.request("POST", "/?" + urllib.parse.urlencode({"database": DATABASE}), sql.encode())
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{body}\nin: {sql}")
    return body


def _ping(layout: Layout) -> bool:
    connection = http.client.HTTPConnection(HOST, layout.ports["clickhouse"], timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
