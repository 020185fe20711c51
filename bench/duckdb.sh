#!/usr/bin/env bash
# `summarize` beside DuckDB: the same file, the same question, whole process against whole process, on one thread and two.
#
#   cargo build --release --bins --examples && bench/duckdb.sh [KIND…]      kinds: bare full wide; default: all three
#
# bare: four fields, counted by path and user agent. full: eleven fields, all counted. wide: the bare four among twenty that
# are ignored. Needs DuckDB for Python (pip install duckdb). Environment: PYTHON (python3, one that has it), ENTRIES
# (1000000), ROUNDS (5), TMPDIR (/tmp), BIN (target/release). Rounds take turns; the best of each counts.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} entries=${ENTRIES:-1000000} rounds=${ROUNDS:-5} bin=${BIN:-target/release}
[ $# -gt 0 ] || set -- full wide bare
"$python" -c 'import duckdb; print("DuckDB", duckdb.__version__)'
dir=$(mktemp -d "${TMPDIR:-/tmp}/duckdb-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# timed NAME COMMAND… : adds its milliseconds to the file NAME
timed() {
    local name=$1 begin=${EPOCHREALTIME/[.,]/}
    shift
    "$@"
    echo $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) >>"$dir/$name"
}
best() { sort -n "$dir/$1" | head -1; }
ours() { "$bin/log-analytics" summarize --threads "$1" "$dir/entries.ndjson" >"$dir/windows.json"; }
duckdb() { "$python" bench/with_duckdb.py "$question" "$dir/entries.ndjson" "$1" "$dir/duckdb.csv"; }

for kind in "$@"; do
    case $kind in
    bare | wide) question=bare ;;
    full) question=full ;;
    *) echo "no such kind: $kind" >&2; exit 2 ;;
    esac
    "$bin/examples/entries" "$entries" "$kind" >"$dir/entries.ndjson"
    rm -f "$dir"/summarize-* "$dir"/duckdb-*
    for _ in $(seq "$rounds"); do
        for threads in 1 2; do
            timed "summarize-$threads" ours "$threads"
            timed "duckdb-$threads" duckdb "$threads"
        done
    done
    "$python" bench/same_counts.py "$question" "$dir/windows.json" "$dir/duckdb.csv"
    bytes=$(stat -c %s "$dir/entries.ndjson")
    for name in summarize-1 summarize-2 duckdb-1 duckdb-2; do
        best "$name" | awk -v name="$kind $name" -v bytes="$bytes" '{ printf "%-16s %6d ms  %.2f GB/s\n", name, $1, bytes / $1 / 1e6 }'
    done
    echo "$(best summarize-1) $(best summarize-2) $(best duckdb-1) $(best duckdb-2)" | awk -v kind="$kind" '{
        printf "%s: DuckDB takes %.1f times as long on one thread, %.1f on two; two threads : one = %.2f\n", kind, $3 / $1, $4 / $2, $1 / $2 }'
done
