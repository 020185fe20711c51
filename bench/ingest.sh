#!/bin/sh
# Durable ingest over loopback, the generator on the same cores: the real binary on a directory of its own, the
# disk's floors measured before, one line per case.
#
#   bench/ingest.sh [CASE…]      cases: large drop small latency; default: all four
#
# Environment: FIELDS of entries (full; or bare, wide), SECONDS_EACH (10), ROUNDS (3), DATA_DIR's parent TMPDIR (/tmp), PORT
# (18471), CUSTOMERS (1), MINUTES (1), BIN (target/release).
set -eu
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-10} rounds=${ROUNDS:-3} port=${PORT:-18471} bin=${BIN:-target/release}
customers=${CUSTOMERS:-1} minutes=${MINUTES:-1} fields=${FIELDS:-full}
dir=$(mktemp -d "${TMPDIR:-/tmp}/ingest-bench.XXXXXX")
server=
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
metric() { awk -v name="$1" '$1 == name { print $2 }'; }

# run NAME LOAD-FLAGS [SERVER-FLAGS…]
run() {
    name=$1 load=$2
    shift 2
    "$bin/log-analytics" serve --listen "127.0.0.1:$port" --data-dir "$dir/store" "$@" >"$dir/out" 2>"$dir/log" &
    server=$!
    tries=0
    until grep -q 'is ready' "$dir/out"; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then cat "$dir/log" >&2; exit 1; fi
        sleep 0.1
    done
    # shellcheck disable=SC2086
    "$bin/examples/load" --url "http://127.0.0.1:$port" --seconds "$seconds" --customers "$customers" \
        --minutes "$minutes" --fields "$fields" --json $load >"$dir/report"
    if command -v curl >/dev/null; then curl -s "http://127.0.0.1:$port/metrics" >"$dir/metrics"; else : >"$dir/metrics"; fi
    peak=$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$server/status")
    ticks=$(awk '{ print $14 + $15 }' "/proc/$server/stat")
    stop
    rm -rf "$dir/store"
    m=$dir/metrics
    printf '%-9s %9.0f batches/s %11.0f entries/s  p50 %8.2f  p99 %8.2f  p99.9 %8.2f ms  refused %s errors %s  peak %s MB  cpu %s us/batch  group %s  sync %s ms  other %s evicted %s\n' \
        "$name" "$(field batchesPerSecond <"$dir/report")" "$(field entriesPerSecond <"$dir/report")" \
        "$(field p50 <"$dir/report")" "$(field p99 <"$dir/report")" "$(field 'p99\.9' <"$dir/report")" \
        "$(field unavailable <"$dir/report")" "$(field errors <"$dir/report")" "$peak" \
        "$(echo "$ticks $(awk '/^log_analytics_ingestion_batch_ingested_total{error_code=""}/ { print $2 }' "$m")" | awk '{ if ($2) printf "%.0f", $1 * 10000 / $2 }')" \
        "$(awk '/journal_group_batches_sum/ { s = $2 } /journal_group_batches_count/ { if ($2) printf "%.1f", s / $2 }' "$m")" \
        "$(awk '/journal_sync_seconds_sum/ { s = $2 } /journal_sync_seconds_count/ { if ($2) printf "%.2f", 1000 * s / $2 }' "$m")" \
        "$(metric log_analytics_windows_other_entries_total <"$m")" "$(metric log_analytics_windows_evicted_total <"$m")"
    last=$(field batchesPerSecond <"$dir/report")
}

"$bin/examples/disk_floor" "$dir"
[ $# -gt 0 ] || set -- large drop small latency
cases=$*
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for case in $cases; do
        case $case in
        large) run large "--connections 64 --entries 1000" ;;
        drop) run drop "--connections 64 --entries 1000" --raw-batches drop ;;
        small) run small "--connections 64 --entries 20" ;;
        latency)
            # Half of what was just measured, or of what is asked for.
            run small "--connections 64 --entries 20"
            run latency "--connections 64 --entries 20 --rate $(echo "$last" | awk '{ print $1 / 2 }')"
            ;;
        *) echo "no such case: $case" >&2; exit 2 ;;
        esac
    done
done
"$bin/examples/disk_floor" "$dir"
