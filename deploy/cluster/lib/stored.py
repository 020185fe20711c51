"""How many bytes the engines keep, for `measure`: looked up where each engine says so, or in its files."""

import time
from typing import NamedTuple

import clickhouse
import flink
import s3
from layout import BUCKET, S3_ACCESS_KEY, S3_SECRET_KEY, Layout

CHECKPOINT_TIMEOUT_S = 60


def topic_bytes(layout: Layout, topic: str) -> int:
    """What the broker has written for a topic, markers of transactions and all."""
    return sum(file.stat().st_size for file in layout.data("broker").glob(f"{topic}-*/*.log"))


def object_bytes(layout: Layout, key: str) -> int:
    """The size of an object."""
    client = s3.Client(layout.endpoints()["S3_ENDPOINT"], S3_ACCESS_KEY, S3_SECRET_KEY)
    answer = client.request("HEAD", f"/{BUCKET}/{key}")
    if answer.status != 200:
        raise SystemExit(f"{key}: {answer.status}")
    return int({name.lower(): value for name, value in answer.headers.items()}["content-length"])


def state_bytes(layout: Layout) -> int:
    """The window job's state, all of it, in a checkpoint that was begun after this was called."""
    asked_ms = time.time() * 1000
    deadline = time.monotonic() + CHECKPOINT_TIMEOUT_S
    while time.monotonic() < deadline:
        latest = flink.latest_checkpoint(layout)
        if latest is not None and latest["trigger_timestamp"] > asked_ms:
            return latest["state_size"]
        time.sleep(0.2)
    raise SystemExit("the window job makes no checkpoint")


def inserted_rows(layout: Layout) -> int:
    """Rows that ClickHouse has taken since it started, replaced ones and all."""
    return int(clickhouse.query(layout, "SELECT sum(value) FROM system.events WHERE event = 'InsertedRows'"))


class Rows(NamedTuple):
    """What ClickHouse keeps of a kind of rows, replaced ones and all else merged away."""

    count: int
    size_bytes: int


def kept_rows(layout: Layout, run: str) -> dict[str, Rows]:
    """The rows of a run's customers, by kind: totals, and keys by dimension. Each kind is copied into a table of its own and merged."""
    kinds = {"totals": ("minute_totals", "1")}
    dimensions = clickhouse.query(layout, f"SELECT DISTINCT dimension FROM minute_keys WHERE startsWith(customer, '{run}-')")
    kinds.update({name: ("minute_keys", f"dimension = '{name}'") for name in dimensions.split()})
    kept = {}
    for kind, (table, condition) in kinds.items():
        copy = f"measured_{kind}"
        clickhouse.query(layout, f"DROP TABLE IF EXISTS {copy}")
        clickhouse.query(layout, f"CREATE TABLE {copy} AS {table}")
        clickhouse.query(layout, f"INSERT INTO {copy} SELECT * FROM {table} FINAL WHERE {condition} AND startsWith(customer, '{run}-')")
        clickhouse.query(layout, f"OPTIMIZE TABLE {copy} FINAL")
        kept[kind] = Rows(*map(int, clickhouse.query(layout, f"""
            SELECT sum(rows), sum(bytes_on_disk) FROM system.parts
            WHERE active AND database = currentDatabase() AND table = '{copy}'""").split()))
        clickhouse.query(layout, f"DROP TABLE {copy}")
    return kept
