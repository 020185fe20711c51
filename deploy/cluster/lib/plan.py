"""How large a cluster must be, and what a billion entries cost: `deploy/cluster/plan`, the tables of deploy/README.md.

Everything follows from MEASURED (what `measure` found on one machine: medians, the page says of how many rounds) and ASSUMED (yours to replace, by
a flag each). Pure arithmetic: nothing is measured or asked for here. A test compares the page with what this prints.
"""

import argparse
import math
from types import SimpleNamespace
from typing import Callable, Iterable

RATES = (1_000_000, 10_000_000, 100_000_000)
BATCHES = (20, 1_000, 5_000)
BILLION = 1_000_000_000
DAY_S = 86_400
GB = 1e9

# By entries of a batch: batches/s a core.
INGEST = {20: 1_796, 1_000: 1_310, 5_000: 566}
WORKER = {20: 1_327, 1_000: 1_235, 5_000: 612}
OBJECT_STORE = {20: 161, 1_000: 161, 5_000: 87}
# By entries of a batch: bytes.
SUMMARY_BYTES = {20: 720, 1_000: 1_440, 5_000: 1_461}

MEASURED = SimpleNamespace(
    plain_bytes=181.0,  # of an entry
    event_bytes=355.0,  # of a batch in batch-ingested
    insight_bytes=436.0,  # of a batch in insight-events
    broker=11_000.0,  # batches/s a core, an event and an insight each
    insight_s=1 / 4_580,  # of a TaskManager core, for a batch of a window; state in RocksDB
    emitted_row_s=7.7e-6,  # of a TaskManager core, for a row that is emitted
    rows=55_000.0,  # rows/s a ClickHouse core
    id_bytes=40.0,  # window job's state, for a batch of a window
    key_bytes=28.0,  # the same, for a path or a family of a window
)

ASSUMED = {
    "batch": (1_000, "entries of a batch, all of one minute: 20, 1000 or 5000"),
    "customer_rate": (1_000.0, "entries/s of an active customer, on average"),
    "keys": (44, "paths and families of a customer's minute"),
    "busy": (0.5, "the part of each core that is used at the peak"),
    "zstd_ratio": (10.0, "how much smaller bodies are that are sent as zstd"),
    "kafka_replicas": (3, "replicas of a partition"),
    "clickhouse_replicas": (2, "replicas of a shard"),
    "machine_cores": (8, "cores of a broker, and of a ClickHouse server"),
    "lateness_days": (7, "the window job's --allowed-lateness"),
    "event_days": (7, "how long batch-ingested keeps events"),
    "insight_days": (14, "how long insight-events keeps insights"),
    "emit_delay_s": (1.0, "the window job's --emit-delay"),
    "core_hour": (0.05, "price of a core for an hour"),
    "object_month": (0.023, "price of a GB in the object store for a month"),
    "disk_month": (0.08, "price of a GB of the engines' disks for a month"),
    "puts": (0.005, "price of 1,000 PUT or LIST requests"),
    "gets": (0.0004, "price of 1,000 GET requests"),
}


def cluster(rate: float, a: SimpleNamespace) -> dict[str, float]:
    """What a rate of entries at the peak asks of every stage."""
    m = MEASURED
    batches = rate / a.batch
    customers = rate / a.customer_rate
    # A window's changed rows are emitted once in emit_delay_s, or with every batch where those are rarer; and all rows once
    # more at its end. That all of them change each time is the most there can be.
    emissions = customers * min(1 / a.emit_delay_s, a.customer_rate / a.batch)
    rows = emissions * a.keys + customers * a.keys / 60
    taskmanager = batches * m.insight_s + rows * m.emitted_row_s
    need = {
        "batches": batches,
        "customers": customers,
        "ingest": batches / INGEST[a.batch] / a.busy,
        "worker": batches / WORKER[a.batch] / a.busy,
        # A follower does less than the leader that was measured.
        "broker": a.kafka_replicas * batches / m.broker / a.busy,
        "taskmanager": taskmanager / a.busy,
        "rows": rows,
        "clickhouse": rows / m.rows / a.busy,
        "puts": 2 * batches,
        "gets": batches,
        "kafka_gb": kafka_bytes(a) * batches * DAY_S / GB,
        "state_gb": (batches * m.id_bytes + customers / 60 * a.keys * m.key_bytes) * a.lateness_days * DAY_S / GB,
    }
    need["machines"] = max(a.kafka_replicas, math.ceil(need["broker"] / a.machine_cores))
    need["shards"] = max(1, math.ceil(need["clickhouse"] / a.machine_cores))
    # Twice as many as processes of four cores read them; four times as many as tasks, for windows cannot be moved later.
    need["batch_partitions"] = up_to_multiple(2 * need["worker"] / 4, 48)
    need["insight_partitions"] = up_to_multiple(4 * need["taskmanager"], 48)
    return need


def kafka_bytes(a: SimpleNamespace) -> float:
    """Bytes and days that a batch lies in Kafka, multiplied, on all replicas."""
    return a.kafka_replicas * (MEASURED.event_bytes * a.event_days + MEASURED.insight_bytes * a.insight_days)


def cost(a: SimpleNamespace) -> dict[str, float]:
    """What a billion entries cost: once, and a month of keeping them."""
    batches = BILLION / a.batch
    need = cluster(BILLION, a)  # in one second: core-seconds and requests
    stages = ("ingest", "worker", "broker", "taskmanager")
    core_s = sum(need[stage] for stage in stages) + a.clickhouse_replicas * need["clickhouse"]
    return {
        "cores": core_s / 3_600 * a.core_hour,
        "puts": need["puts"] / 1_000 * a.puts,
        "gets": need["gets"] / 1_000 * a.gets,
        "own_store": batches / OBJECT_STORE[a.batch] / a.busy / 3_600 * a.core_hour,
        "kafka": kafka_bytes(a) * batches / GB / 30 * a.disk_month,
        "raw_month": BILLION * MEASURED.plain_bytes / GB * a.object_month,
        "zstd_month": BILLION * MEASURED.plain_bytes / a.zstd_ratio / GB * a.object_month,
        "summaries_month": batches * SUMMARY_BYTES[a.batch] / GB * a.object_month,
    }


def up_to_multiple(least: float, of: int) -> int:
    return max(1, math.ceil(least / of)) * of


def about(value: float) -> str:
    """Two digits that mean something, rounded up."""
    if value <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    value = math.ceil(value / unit - 1e-9) * unit
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def money(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([name, *cells] for name, cells in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" if cells[0] != "---" else f"|{'|'.join(cells)}|" for cells in lines)


def rows_of(columns: list[dict[str, float]], what: list[tuple[str, Callable[[dict], str]]]):
    return [(name, [cell(column) for column in columns]) for name, cell in what]


def sizes(a: SimpleNamespace) -> str:
    needs = [cluster(rate, a) for rate in RATES]
    return table(("at the peak", *(f"{rate // 1_000_000} M entries/s" for rate in RATES)), rows_of(needs, [
        ("batches/s", lambda n: about(n["batches"])),
        ("`ingest`, cores", lambda n: about(n["ingest"])),
        ("`summarize-worker`, cores", lambda n: about(n["worker"])),
        ("object store, PUT/s and GET/s", lambda n: f"{about(n['puts'])}, {about(n['gets'])}"),
        ("`batch-ingested`, partitions", lambda n: f"{n['batch_partitions']:,}"),
        ("`insight-events`, partitions", lambda n: f"{n['insight_partitions']:,}"),
        (f"brokers of {a.machine_cores} cores", lambda n: about(n["machines"])),
        ("Kafka's disks, all brokers, GB", lambda n: about(n["kafka_gb"])),
        ("TaskManagers, cores", lambda n: about(n["taskmanager"])),
        ("window job's state, GB", lambda n: about(n["state_gb"])),
        ("rows/s into ClickHouse", lambda n: about(n["rows"])),
        (f"ClickHouse, shards of {a.machine_cores} cores", lambda n: about(n["shards"])),
    ]))


def costs(a: SimpleNamespace) -> str:
    columns = [cost(SimpleNamespace(**{**vars(a), "batch": batch})) for batch in BATCHES]
    return table(("$ for a billion entries", *(f"batches of {batch:,}" for batch in BATCHES)), rows_of(columns, [
        ("PUT requests", lambda c: money(c["puts"])),
        ("GET requests", lambda c: money(c["gets"])),
        ("cores", lambda c: money(c["cores"])),
        ("Kafka's disks", lambda c: money(c["kafka"])),
        ("**once, together**", lambda c: f"**{money(c['puts'] + c['gets'] + c['cores'] + c['kafka'])}**"),
        ("in place of requests: cores of an object store of your own", lambda c: money(c["own_store"])),
        ("a month of bodies as they came", lambda c: money(c["raw_month"])),
        (f"a month of bodies sent as zstd, {a.zstd_ratio:g} times smaller", lambda c: money(c["zstd_month"])),
        ("a month of summaries", lambda c: money(c["summaries_month"])),
    ]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (value, what) in ASSUMED.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"{what} ({value})")
    assumed = parser.parse_args()
    if assumed.batch not in BATCHES:
        parser.error(f"--batch was measured with {', '.join(map(str, BATCHES))}")
    print(sizes(assumed), costs(assumed), sep="\n\n")


if __name__ == "__main__":
    main()
