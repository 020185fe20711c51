"""How many bytes the engines keep, for `measure`: looked up where each engine says so, or in its files."""

import time

import clickhouse
import flink
import s3
from layout import BUCKET, S3_ACCESS_KEY, S3_SECRET_KEY, Layout

CHECKPOINT_TIMEOUT_S = 60
# A day of some customers: of so many keys, each minute has a part, with counts of any size. Large enough that a part's fixed
# costs are nothing.
ROWS_CUSTOMERS = 20
ROWS_KEYS = {"path": 400, "userAgent": 20}
ROWS_PART = 5


def topic_bytes(layout: Layout, topic: str) -> int:
    """What the broker has written for a topic, markers of transactions and all."""
    return sum(file.stat().st_size for file in layout.data("broker").glob(f"{topic}-*/*.log"))


def object_bytes(layout: Layout, prefix: str, customer: str, batch: str) -> int:
    """The size of a batch's object."""
    client = s3.Client(layout.endpoints()["S3_ENDPOINT"], S3_ACCESS_KEY, S3_SECRET_KEY)
    answer = client.request("HEAD", f"/{BUCKET}/{prefix}/{customer}/{batch}")
    if answer.status != 200:
        raise SystemExit(f"{prefix}/{customer}/{batch}: {answer.status}")
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


def row_bytes(layout: Layout) -> dict[str, float]:
    """Bytes of a row of a key without measures, merged, by a day of rows of one dimension in a table made like that of keys."""
    sizes = {}
    for dimension, keys in ROWS_KEYS.items():
        table, key = f"measured_rows_{dimension}", "GET /shop/category/" if dimension == "path" else "Family "
        clickhouse.query(layout, f"DROP TABLE IF EXISTS {table}")
        clickhouse.query(layout, f"CREATE TABLE {table} AS minute_keys")
        clickhouse.query(layout, f"""
            INSERT INTO {table} (customer, dimension, window_start, key, requests, version, final, inserted_at)
            SELECT concat('customer-', toString(intDiv(number, {1_440 * keys}))) AS customer,
                   '{dimension}',
                   toDateTime('2026-01-01 00:00:00', 'UTC') + INTERVAL 60 * (intDiv(number, {keys}) % 1440) SECOND AS start,
                   concat('{key}', toString(number % {keys})),
                   toUInt64(exp(randUniform(0, 7))),
                   2 * (1 + cityHash64(customer, start) % 200) + 1,
                   1,
                   start + INTERVAL 120 + cityHash64(customer, start) % 4 SECOND
            FROM numbers({ROWS_CUSTOMERS * 1_440 * keys})
            WHERE cityHash64(number) % {ROWS_PART} = 0""")
        clickhouse.query(layout, f"OPTIMIZE TABLE {table} FINAL")
        rows, size = map(int, clickhouse.query(layout, f"""
            SELECT sum(rows), sum(bytes_on_disk) FROM system.parts
            WHERE active AND database = currentDatabase() AND table = '{table}'""").split())
        sizes[dimension] = size / rows
        clickhouse.query(layout, f"DROP TABLE {table}")
    return sizes
