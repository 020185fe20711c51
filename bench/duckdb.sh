#!/usr/bin/env bash
# `summarize` beside DuckDB: the same file, the same question, whole process against whole process, on one thread and two.
#
#   cargo build --release --bins --examples && bench/duckdb.sh
#
# Needs DuckDB for Python (pip install duckdb). Environment: PYTHON (python3, one that has it), ENTRIES (1000000), ROUNDS
# (5), TMPDIR (/tmp), BIN (target/release). Rounds take turns; the best of each counts.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} entries=${ENTRIES:-1000000} rounds=${ROUNDS:-5} bin=${BIN:-target/release}
"$python" -c 'import duckdb; print("DuckDB", duckdb.__version__)'
dir=$(mktemp -d "${TMPDIR:-/tmp}/duckdb-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
"$bin/examples/entries" "$entries" >"$dir/entries.ndjson"

# timed NAME COMMAND… : adds its milliseconds to the file NAME
timed() {
    local name=$1 begin=${EPOCHREALTIME/[.,]/}
    shift
    "$@"
    echo $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) >>"$dir/$name"
}
ours() { "$bin/log-analytics" summarize --threads "$1" "$dir/entries.ndjson" >"$dir/windows.json"; }
duckdb() { "$python" bench/with_duckdb.py "$dir/entries.ndjson" "$1" "$dir/duckdb.csv"; }
for _ in $(seq "$rounds"); do
    for threads in 1 2; do
        timed "summarize-$threads" ours "$threads"
        timed "duckdb-$threads" duckdb "$threads"
    done
done

# Both count the same: every path of every minute.
"$python" - "$dir/windows.json" "$dir/duckdb.csv" <<'PY'
import csv, json, sys
ours = {}
for line in open(sys.argv[1]):
    window = json.loads(line)
    for path, count in window["requestsByPath"].items():
        ours[window["windowStart"][:16], path] = count
theirs = {(minute, what): int(count) for minute, what, count in csv.reader(open(sys.argv[2])) if " /" in what[:9]}
assert theirs == ours, "the counts differ"
print(len(ours), "counts by minute and path are the same")
PY
bytes=$(stat -c %s "$dir/entries.ndjson")
for name in summarize-1 summarize-2 duckdb-1 duckdb-2; do
    sort -n "$dir/$name" | head -1 | awk -v name="$name" -v bytes="$bytes" '{ printf "%-12s %6d ms  %.2f GB/s\n", name, $1, bytes / $1 / 1e6 }'
done
best() { sort -n "$dir/$1" | head -1; }
echo "$(best summarize-1) $(best summarize-2) $(best duckdb-1) $(best duckdb-2)" | awk '{
    printf "summarize : DuckDB = %.1f on one thread, %.1f on two; two threads : one = %.2f\n", $3 / $1, $4 / $2, $1 / $2 }'
