#!/usr/bin/env bash
# `import` of a combined log beside GoAccess with all its panels, on the same file in the same run: the time of each, and that
# both count the same by path, status, hour, referring site and bytes, and within 5 % the same people. The importer and the
# server share this machine; every batch is durable before it counts.
#
#   bench/import.sh [MEGABYTES]     default: 1000
#
# Environment: BIN (target/release), TMPDIR (/tmp; needs about three times the log), ROUNDS (1), SERVE and IMPORT
# (flags for the server and the importer). Needs goaccess and python3; the log is the same on every machine.
set -euo pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-1000} bin=${BIN:-target/release} rounds=${ROUNDS:-1}
for tool in goaccess python3; do command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }; done
dir=$(mktemp -d "${TMPDIR:-/tmp}/import-bench.XXXXXX")
export XDG_STATE_HOME="$dir/state"
server=
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
now() { date +%s.%N; }
took() { python3 -c "import sys; print(f'{float(sys.argv[2]) - float(sys.argv[1]):.2f}')" "$1" "$(now)"; }

"$bin/examples/import_log" "$megabytes" >"$dir/access.log"
bytes=$(stat -c %s "$dir/access.log")
# Both find the log in memory.
cat "$dir/access.log" >/dev/null
for round in $(seq "$rounds"); do
    start=$(now)
    goaccess "$dir/access.log" --no-global-config --log-format=COMBINED --no-query-string --max-items=1000000 \
        --hour-spec=hour --4xx-to-unique-count --no-progress -o "$dir/goaccess.json" </dev/null >/dev/null 2>"$dir/goaccess.err" || {
        cat "$dir/goaccess.err" >&2
        exit 1
    }
    goaccess_seconds=$(took "$start")

    # shellcheck disable=SC2086
    "$bin/log-analytics" serve --listen 127.0.0.1:0 --data-dir "$dir/store" ${SERVE:-} >"$dir/out" 2>"$dir/log" &
    server=$!
    for _ in $(seq 200); do
        if grep -q 'is ready on' "$dir/out"; then break; fi
        kill -0 "$server" || { cat "$dir/log" >&2; exit 1; }
        sleep 0.05
    done
    url=$(sed 's/.* on //' "$dir/out")
    start=$(now)
    # shellcheck disable=SC2086
    "$bin/log-analytics" import "$dir/access.log" --customer bench --url "$url" ${IMPORT:-}
    import_seconds=$(took "$start")
    cpu=$(awk '{ print ($14 + $15) / 100 }' "/proc/$server/stat")
    curl -sS "$url/metrics" >"$dir/metrics"
    curl -sS -H 'x-customer-id: bench' "$url/aggregates?from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z&window=day" >"$dir/day.json"
    stop
    awk '/journal_group_batches_sum/ { s = $2 } /journal_group_batches_count/ { if ($2) printf "groups of %.1f batches, ", s / $2 }
         /journal_sync_seconds_sum/ { s = $2 } /journal_sync_seconds_count/ { if ($2) printf "sync %.1f ms, ", 1000 * s / $2 }' "$dir/metrics"
    echo "server CPU $cpu s"
    python3 - "$dir" "$bytes" "$goaccess_seconds" "$import_seconds" <<'PY'
import glob, json, sys
from collections import Counter

dir, size, goaccess, ours = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
their = json.load(open(f"{dir}/goaccess.json"))
rows = lambda panel: their[panel]["data"]
hits = lambda row: row["hits"]["count"]


def by_goaccess():
    # GoAccess splits paths into found, not found and static ones.
    for panel in ("requests", "static_requests", "not_found"):
        for row in rows(panel):
            yield ("path", f"{row['method']} {row['data']}"), hits(row)
    for row in rows("visit_time"):
        yield ("hour", row["data"]), hits(row)
        yield ("bytes of hour", row["data"]), row["bytes"]["count"]
    for status_class in rows("status_codes"):
        for row in status_class["items"]:
            yield ("status", row["data"][:3]), hits(row)
    for row in rows("referring_sites"):
        yield ("referrer", row["data"]), hits(row)


def by_us():
    for name in glob.glob(f"{dir}/store/aggregate-results/bench/*.json"):
        window = json.load(open(name))
        if window["windowSize"] == "day":
            for dimension, counts in (("path", window["requestsByPath"]), ("status", window["status"]), ("referrer", window["requestsByReferrer"])):
                yield from (((dimension, key), count) for key, count in counts.items())
        elif window["windowSize"] == "hour":
            hour = window["windowStart"][11:13]
            yield ("hour", hour), window["requests"]
            yield ("bytes of hour", hour), window["responseBytes"]


def added(pairs):
    counts = Counter()
    for key, count in pairs:
        counts[key] += count
    return counts


theirs, counts = added(by_goaccess()), added(by_us())
differ = [key for key in theirs.keys() | counts.keys() if theirs[key] != counts[key]]
assert not differ, f"{len(differ)} counts differ, {differ[0]}: {theirs[differ[0]]} and {counts[differ[0]]}"
# Robots are no visitors of ours.
crawlers = sum(row["visitors"]["count"] for row in rows("browsers") if row["data"] == "Crawlers")
people = their["general"]["unique_visitors"] - crawlers
visitors = json.load(open(f"{dir}/day.json"))["windows"][0]["visitors"]
assert abs(visitors / people - 1) < 0.05, f"{people} and {visitors} visitors"
print(f"{size / 1e6:.0f} MB, {sum(hits(row) for row in rows('visit_time'))} lines: {len(counts)} counts are the same; "
      f"{people} and {visitors} visitors")
print(f"GoAccess {goaccess:.1f} s ({size / 1e6 / goaccess:.0f} MB/s), "
      f"import {ours:.1f} s ({size / 1e6 / ours:.0f} MB/s): {goaccess / ours:.1f} times faster")
PY
    rm -rf "$dir/store"
done
