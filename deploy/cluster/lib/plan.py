"""How large a cluster must be, and what a billion full entries cost: `deploy/cluster/plan`, the tables of deploy/README.md.

Input: what each round of `measure` found on one machine (MEASURED and the constants below it), and ASSUMED, yours to replace by
a flag each. Output: tables, in which ¹ marks what rests on one round. Never: a measurement. A test compares the page with what
this prints.
"""

import argparse
import math
from statistics import median
from types import SimpleNamespace
from typing import Callable, Iterable, NamedTuple

import entries

RATES = (1_000_000, 10_000_000, 100_000_000)
PATHS = (4_000, 40)
BATCHES = (20, 1_000, 5_000)
BILLION = 1_000_000_000
DAY_S = 86_400
MINUTE_S = 60
GB = 1e9

# What each round found.
Rounds = tuple[float, ...]


class Measured(NamedTuple):
    """Of batches of so many entries and so many distinct paths: batches/s of a core of each stage, and bytes that a batch leaves."""

    ingest: Rounds
    worker: Rounds
    object_store: Rounds  # radosgw and osd together
    broker: Rounds  # with `--engines`, one replica: an insight is written and read
    # State in RocksDB. Of 20 entries with `--engines` alone: behind the roles they come too seldom to tell them from what the job
    # costs by itself. Of 1,000 and 5,000 both ways.
    taskmanager: Rounds
    insight_bytes: Rounds  # in Kafka, one replica
    summary_bytes: Rounds


# By distinct paths and by entries of a batch.
MEASURED: dict[tuple[int, int], Measured] = {
    (4_000, 20): Measured(
        ingest=(983, 1_034), worker=(1_010, 1_124), object_store=(110, 122), broker=(36_145, 30_612), taskmanager=(2_105, 2_104),
        insight_bytes=(754, 738), summary_bytes=(4_585, 4_585)),
    (4_000, 1_000): Measured(
        ingest=(410, 429), worker=(324, 317), object_store=(96, 99), broker=(1_546, 1_714), taskmanager=(127, 128, 144, 93),
        insight_bytes=(16_561, 16_583), summary_bytes=(93_256, 93_256)),
    (4_000, 5_000): Measured(
        ingest=(122, 134), worker=(86, 95), object_store=(38, 45), broker=(806, 420), taskmanager=(43, 32, 23),
        insight_bytes=(50_314, 50_312), summary_bytes=(306_658, 306_658)),
    (40, 20): Measured(
        ingest=(1_119, 940), worker=(1_200, 1_024), object_store=(137, 114), broker=(37_500, 25_641), taskmanager=(2_149, 2_199),
        insight_bytes=(649, 649), summary_bytes=(4_028, 4_028)),
    (40, 1_000): Measured(
        ingest=(442, 466), worker=(545, 573), object_store=(96, 97), broker=(4_040, 3_636), taskmanager=(407, 509, 457),
        insight_bytes=(7_130, 7_094), summary_bytes=(30_906, 30_905)),
    (40, 5_000): Measured(
        ingest=(146, 162), worker=(133, 164), object_store=(47, 59), broker=(3_175, 3_509), taskmanager=(316, 357, 205, 233),
        insight_bytes=(11_423, 11_420), summary_bytes=(52_044, 52_044)),
}

# The bodies are the same in every round.
ENTRY_BYTES = 361.0
# The same bodies sent as zstd.
ZSTD_ENTRY_BYTES: Rounds = (40.4,)
# An event in Kafka, one replica; and events/s of a broker's core, taken to be those of insights as small (batches of 20).
EVENT_BYTES: Rounds = (352, 355, 356)
EVENTS_S: Rounds = (36_145, 37_500, 30_612, 25_641)
# By distinct paths: rows/s of a ClickHouse core, batches of 1,000 and of 5,000. With few paths a row has more statuses and durations.
ROWS_S: dict[int, Rounds] = {4_000: (85_237, 86_061, 99_769, 76_563), 40: (42_940, 43_820, 35_852, 42_127)}
# By distinct paths, of minutes with 60,000 entries: bytes of a kept row of a key and of totals, and of a key in the window job's
# state.
ROW_BYTES: dict[int, Rounds] = {4_000: (20.3,), 40: (53.0,)}
TOTALS_ROW_BYTES: dict[int, Rounds] = {4_000: (1_423,), 40: (1_423,)}
KEY_STATE_BYTES: dict[int, Rounds] = {4_000: (102,), 40: (552,)}
# Of a batch id in the state of each of its windows. From rounds with bare entries: the ids are the same.
BATCH_STATE_BYTES: Rounds = (40.0,)

ASSUMED = {
    "paths": (4_000, "distinct paths of a customer, by Zipf's law: 4000 (a site) or 40 (an API that logs routes)"),
    "batch": (1_000, "entries of a batch, all of one minute: 20, 1000 or 5000"),
    "customer_rate": (1_000.0, "entries/s of an active customer, on average"),
    "lists": (1.0, "lists in unsettled/ for each batch: 1 at most, fewer where batches come together"),
    "busy": (0.5, "the part of each core that is used at the peak"),
    "zstd_ratio": (0.0, "how much smaller bodies are that are sent as zstd; 0 for what was measured"),
    "kafka_replicas": (3, "replicas of a partition"),
    "clickhouse_replicas": (2, "replicas of a shard"),
    "machine_cores": (8, "cores of a broker, and of a ClickHouse server"),
    "lateness_days": (7.0, "the window job's --allowed-lateness"),
    "event_days": (7.0, "how long batch-ingested keeps events"),
    "insight_days": (14.0, "how long insight-events keeps insights"),
    "emit_delay_s": (1.0, "the window job's --emit-delay"),
    "core_hour": (0.05, "price of a core for an hour"),
    "object_month": (0.023, "price of a GB in the object store for a month"),
    "disk_month": (0.08, "price of a GB of the engines' disks for a month"),
    "puts": (0.005, "price of 1,000 PUT or LIST requests"),
    "gets": (0.0004, "price of 1,000 GET requests"),
}


def value(rounds: Rounds) -> float:
    return median(rounds)


def mark(*figures: Rounds) -> str:
    """Says which figures rest on one round."""
    return " ¹" if any(len(rounds) == 1 for rounds in figures) else ""


def keys(count: float, a: SimpleNamespace) -> float:
    """Distinct keys of so many entries, of all dimensions."""
    return entries.keys(count, a.paths)


def cluster(rate: float, a: SimpleNamespace) -> dict[str, float]:
    """What a rate of entries at the peak asks of every stage."""
    m = MEASURED[a.paths, a.batch]
    batches = rate / a.batch
    customers = rate / a.customer_rate
    # A window's changed rows are emitted once in emit_delay_s, or with every batch where those are rarer; and all rows once
    # more at its end. One row besides those of keys is that of totals.
    interval_s = max(a.emit_delay_s, a.batch / a.customer_rate)
    minute_keys = keys(MINUTE_S * a.customer_rate, a)
    rows = customers * ((keys(interval_s * a.customer_rate, a) + 1) / interval_s + (minute_keys + 1) / MINUTE_S)
    # A batch is a record of each topic. A follower does less than the leader that was measured.
    broker = a.kafka_replicas * batches * (1 / value(m.broker) + 1 / value(EVENTS_S))
    need = {
        "batches": batches,
        "customers": customers,
        "ingest": batches / value(m.ingest) / a.busy,
        "worker": batches / value(m.worker) / a.busy,
        "own_store": batches / value(m.object_store) / a.busy,
        "broker": broker / a.busy,
        # Rows that are emitted are part of what was measured.
        "taskmanager": batches / value(m.taskmanager) / a.busy,
        "rows": rows,
        "clickhouse": rows / value(ROWS_S[a.paths]) / a.busy,
        "puts": (2 + a.lists) * batches,
        "gets": batches,
        "kafka_gb": kafka_bytes(a) * batches * DAY_S / GB,
        "state_gb": (batches * value(BATCH_STATE_BYTES) + customers / MINUTE_S * minute_keys * value(KEY_STATE_BYTES[a.paths]))
        * a.lateness_days * DAY_S / GB,
    }
    need["machines"] = max(a.kafka_replicas, math.ceil(need["broker"] / a.machine_cores))
    need["shards"] = max(1, math.ceil(need["clickhouse"] / a.machine_cores))
    # Twice as many as processes of four cores read them; four times as many as tasks, for windows cannot be moved later.
    need["batch_partitions"] = up_to_multiple(2 * need["worker"] / 4, 48)
    need["insight_partitions"] = up_to_multiple(4 * need["taskmanager"], 48)
    return need


def kafka_bytes(a: SimpleNamespace) -> float:
    """Bytes and days that a batch lies in Kafka, multiplied, on all replicas."""
    insight_bytes = value(MEASURED[a.paths, a.batch].insight_bytes)
    return a.kafka_replicas * (value(EVENT_BYTES) * a.event_days + insight_bytes * a.insight_days)


def kept(a: SimpleNamespace) -> dict[str, float]:
    """What a billion entries leave, in GB."""
    m = MEASURED[a.paths, a.batch]
    batches = BILLION / a.batch
    windows = BILLION / a.customer_rate / MINUTE_S
    minute_keys = keys(MINUTE_S * a.customer_rate, a)
    zstd_bytes = ENTRY_BYTES / a.zstd_ratio if a.zstd_ratio else value(ZSTD_ENTRY_BYTES)
    return {
        "bodies": BILLION * ENTRY_BYTES / GB,
        "zstd": BILLION * zstd_bytes / GB,
        "summaries": batches * value(m.summary_bytes) / GB,
        "events": a.kafka_replicas * batches * value(EVENT_BYTES) / GB,
        "insights": a.kafka_replicas * batches * value(m.insight_bytes) / GB,
        "state": (batches * value(BATCH_STATE_BYTES) + windows * minute_keys * value(KEY_STATE_BYTES[a.paths])) / GB,
        "rows": windows * (minute_keys + 1),
        "clickhouse": a.clickhouse_replicas * windows * (minute_keys * value(ROW_BYTES[a.paths]) + value(TOTALS_ROW_BYTES[a.paths])) / GB,
    }


def cost(a: SimpleNamespace) -> dict[str, float]:
    """What a billion entries cost: once, and a month of keeping them."""
    need = cluster(BILLION, a)  # in one second: core-seconds and requests
    left = kept(a)
    stages = ("ingest", "worker", "broker", "taskmanager")
    core_s = sum(need[stage] for stage in stages) + a.clickhouse_replicas * need["clickhouse"]
    return {
        "cores": core_s / 3_600 * a.core_hour,
        "puts": need["puts"] / 1_000 * a.puts,
        "gets": need["gets"] / 1_000 * a.gets,
        "own_store": need["own_store"] / 3_600 * a.core_hour,
        "kafka": (left["events"] * a.event_days + left["insights"] * a.insight_days) / 30 * a.disk_month,
        "state": left["state"] * a.lateness_days / 30 * a.disk_month,
        "raw_month": left["bodies"] * a.object_month,
        "zstd_month": left["zstd"] * a.object_month,
        "summaries_month": left["summaries"] * a.object_month,
        "rows_month": left["clickhouse"] * a.disk_month,
    }


def up_to_multiple(least: float, of: int) -> int:
    return max(1, math.ceil(least / of)) * of


def about(number: float) -> str:
    """Two digits that mean something, rounded up."""
    if number <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    number = math.ceil(number / unit - 1e-9) * unit
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def money(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}"


def table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" if cells[0] != "---" else f"|{'|'.join(cells)}|" for cells in lines)


def rows_of(columns: list[dict[str, float]], what: list[tuple[str, Callable[[dict], str]]]):
    return [(name, [cell(column) for column in columns]) for name, cell in what]


def of_shapes(a: SimpleNamespace) -> list[SimpleNamespace]:
    """The same assumptions with every kind of batch that was measured."""
    return [SimpleNamespace(**{**vars(a), "paths": paths, "batch": batch}) for paths in PATHS for batch in BATCHES]


SHAPE_NAMES = [f"{batch:,} of {paths:,} paths" for paths in PATHS for batch in BATCHES]


def throughput() -> str:
    """Every figure of MEASURED."""
    cell = lambda rounds: f"{value(rounds):,.0f}{mark(rounds)}"
    rows = [("`ingest`", "ingest"), ("`summarize-worker`", "worker"), ("object store (radosgw + osd, one copy in memory)", "object_store"),
            ("Kafka broker, one replica", "broker"), ("Flink TaskManager, state in RocksDB", "taskmanager"),
            ("bytes of an insight in Kafka", "insight_bytes"), ("bytes of a summary", "summary_bytes")]
    columns = [MEASURED[paths, batch] for paths in PATHS for batch in BATCHES]
    return table(("batches/s a core", *SHAPE_NAMES), [(name, [cell(getattr(m, field)) for m in columns]) for name, field in rows])


def sizes(a: SimpleNamespace) -> str:
    needs = [cluster(rate, a) for rate in RATES]
    m = MEASURED[a.paths, a.batch]
    head = f"at the peak, {a.paths:,} paths a customer"
    return table((head, *(f"{rate // 1_000_000} M entries/s" for rate in RATES)), rows_of(needs, [
        ("batches/s", lambda n: about(n["batches"])),
        (f"`ingest`, cores{mark(m.ingest)}", lambda n: about(n["ingest"])),
        (f"`summarize-worker`, cores{mark(m.worker)}", lambda n: about(n["worker"])),
        ("object store, PUT/s and GET/s", lambda n: f"{about(n['puts'])}, {about(n['gets'])}"),
        (f"`batch-ingested`, partitions{mark(m.worker)}", lambda n: f"{n['batch_partitions']:,}"),
        (f"`insight-events`, partitions{mark(m.taskmanager)}", lambda n: f"{n['insight_partitions']:,}"),
        (f"brokers of {a.machine_cores} cores{mark(m.broker, EVENTS_S)}", lambda n: about(n["machines"])),
        (f"Kafka's disks, all brokers, GB{mark(m.insight_bytes, EVENT_BYTES)}", lambda n: about(n["kafka_gb"])),
        (f"TaskManagers, cores{mark(m.taskmanager)}", lambda n: about(n["taskmanager"])),
        (f"window job's state, GB{mark(KEY_STATE_BYTES[a.paths])}", lambda n: about(n["state_gb"])),
        ("rows/s into ClickHouse", lambda n: about(n["rows"])),
        (f"ClickHouse, shards of {a.machine_cores} cores{mark(ROWS_S[a.paths])}", lambda n: about(n["shards"])),
    ]))


def keeping(a: SimpleNamespace) -> str:
    columns = [kept(of_shape) for of_shape in of_shapes(a)]
    gb = lambda name: lambda column: about(column[name])
    measured = MEASURED.values()
    return table(("GB of a billion entries, batches of", *SHAPE_NAMES), rows_of(columns, [
        ("bodies as they came", gb("bodies")),
        (f"bodies sent as zstd{mark(ZSTD_ENTRY_BYTES)}", gb("zstd")),
        (f"summaries{mark(*(m.summary_bytes for m in measured))}", gb("summaries")),
        (f"events: Kafka, {a.event_days:g} days, {a.kafka_replicas} replicas{mark(EVENT_BYTES)}", gb("events")),
        (f"insights: Kafka, {a.insight_days:g} days, {a.kafka_replicas} replicas{mark(*(m.insight_bytes for m in measured))}", gb("insights")),
        (f"window job's state: Flink, {a.lateness_days:g} days{mark(*KEY_STATE_BYTES.values())}", gb("state")),
        (f"rows: ClickHouse, {a.clickhouse_replicas} replicas{mark(*ROW_BYTES.values())}", gb("clickhouse")),
        ("rows of minutes, millions", lambda column: about(column["rows"] / 1e6)),
    ]))


def costs(a: SimpleNamespace) -> str:
    columns = [cost(of_shape) for of_shape in of_shapes(a)]
    once = ("puts", "gets", "cores", "kafka", "state")
    return table(("$ for a billion entries, batches of", *SHAPE_NAMES), rows_of(columns, [
        ("PUT requests", lambda c: money(c["puts"])),
        ("GET requests", lambda c: money(c["gets"])),
        (f"cores{mark(*(rounds for m in MEASURED.values() for rounds in (m.ingest, m.worker, m.broker, m.taskmanager)))}", lambda c: money(c["cores"])),
        (f"Kafka's disks{mark(*(m.insight_bytes for m in MEASURED.values()))}", lambda c: money(c["kafka"])),
        (f"Flink's disks{mark(*KEY_STATE_BYTES.values())}", lambda c: money(c["state"])),
        ("**once, together**", lambda c: f"**{money(sum(c[name] for name in once))}**"),
        (f"in place of requests: cores of an object store of your own{mark(*(m.object_store for m in MEASURED.values()))}", lambda c: money(c["own_store"])),
        ("a month of bodies as they came", lambda c: money(c["raw_month"])),
        (f"a month of bodies sent as zstd{mark(ZSTD_ENTRY_BYTES)}", lambda c: money(c["zstd_month"])),
        (f"a month of summaries{mark(*(m.summary_bytes for m in MEASURED.values()))}", lambda c: money(c["summaries_month"])),
        (f"a month of rows in ClickHouse{mark(*ROW_BYTES.values())}", lambda c: money(c["rows_month"])),
    ]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (default, what) in ASSUMED.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"{what} ({default})")
    assumed = parser.parse_args()
    for name, measured in (("paths", PATHS), ("batch", BATCHES)):
        if getattr(assumed, name) not in measured:
            parser.error(f"--{name} was measured with {', '.join(map(str, measured))}")
    print(throughput(), sizes(assumed), keeping(assumed), costs(assumed), sep="\n\n")


if __name__ == "__main__":
    main()
