#!/usr/bin/env bash
# Whether cost grows with the work and with nothing else: ingest at more and more customers and resident windows, memory of
# a resident window, and the time of a restart after kill -9 against the journal that no checkpoint covers. And whether
# customers cost each other: many of them at a steady rate (many), quiet ones beside one that sends all it can (noisy).
#
#   cargo build --release --bins --examples && bench/linear.sh [CASE…]
#
# Cases: customers windows restart many noisy; default: all. Environment: SECONDS_EACH (5; 30 and more for many and noisy), TMPDIR (/tmp), BIN (target/release). Needs curl. Generator and server share the machine.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-5} bin=${BIN:-target/release}
dir=$(mktemp -d "${TMPDIR:-/tmp}/linear-bench.XXXXXX")
no_checkpoint=(--tune checkpoint_interval=1h --tune checkpoint_bytes=64GiB --tune max_uncheckpointed_bytes=128GiB)
server=
stop() {
    if [ -n "$server" ]; then kill "-${1:-TERM}" "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi
}
trap 'stop KILL; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

start() {
    : >"$dir/out"
    "$bin/log-analytics" serve --listen 127.0.0.1:0 --data-dir "$dir/store" "$@" >"$dir/out" 2>"$dir/log" &
    server=$!
    for _ in $(seq 600); do
        url=$(sed -n 's/.*ready on \(http:.*\)$/\1/p' "$dir/out")
        [ -z "$url" ] || return 0
        sleep 0.1
    done
    cat "$dir/log" >&2
    exit 1
}
load() { "$bin/examples/load" --url "$url" --seconds "$seconds" --json "$@" >"$dir/report"; }
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$dir/report"; }
# The sum of a metric over its labels.
metric() { curl -s "$url/metrics" | awk -v name="$1" '{ split($1, part, "{") } part[1] == name { sum += $2 } END { printf "%.3f", sum }'; }
# How many checkpoints there were, and how long they took.
checkpoints() {
    curl -s "$url/metrics" | awk '
        $1 == "log_analytics_checkpoint_seconds_count" { count = $2 }
        $1 == "log_analytics_checkpoint_seconds_sum" { sum = $2 }
        sub(/^log_analytics_checkpoint_seconds_bucket{le="/, "") { sub(/"}/, ""); bound[++buckets] = $1; below[buckets] = $2 }
        END {
            for (longest = 1; below[longest] < count; longest++);
            printf "%d checkpoints, %.2f s each, the longest at most %s s", count, sum / (count ? count : 1), bound[longest]
        }'
}
resident_kb() { awk '/VmRSS/ { print $2 }' "/proc/$server/status"; }
peak_kb() { awk '/VmHWM/ { print $2 }' "/proc/$server/status"; }

customers() {
    # The last again with room for all their windows: by default most are written out to make room for others.
    for shape in '10' '1000' '10000' '10000 --max-resident-bytes 1GiB'; do
        read -r customers flags <<<"$shape"
        # shellcheck disable=SC2086
        start $flags
        load --connections 64 --entries 1000 --paths 100 --agents 20 --customers "$customers"
        printf 'customers %6d: %9.0f entries/s, refused %s, errors %s, peak %d MB, %.0f windows evicted  %s\n' "$customers" \
            "$(field entriesPerSecond)" "$(field unavailable)" "$(field errors)" $(($(peak_kb) / 1024)) \
            "$(metric log_analytics_windows_evicted_total)" "$flags"
        stop
        rm -rf "$dir/store"
    done
}

windows() {
    # Every customer with every minute, as both numbers have no common divisor; beside them its hours and days. No
    # checkpoint meanwhile: it would write all windows as files, and what is asked is what holding them costs.
    for shape in '1 1' '10 101' '1009 101'; do
        read -r customers minutes <<<"$shape"
        start --tune flush_interval=1h --max-resident-bytes 2GiB "${no_checkpoint[@]}"
        local empty_kb
        empty_kb=$(resident_kb)
        load --connections 64 --entries 20 --paths 4 --agents 2 --warmup 10 --customers "$customers" --minutes "$minutes"
        metric log_analytics_windows_resident >"$dir/resident"
        printf 'windows %8.0f: %7.0f batches/s, refused %s, errors %s, %s bytes each by our count, %s by the process\n' \
            "$(cat "$dir/resident")" "$(field batchesPerSecond)" "$(field unavailable)" "$(field errors)" \
            "$(echo "$(metric log_analytics_windows_resident_bytes) $(cat "$dir/resident")" | awk '{ printf "%.0f", $1 / $2 }')" \
            "$(echo "$(resident_kb) $empty_kb $(cat "$dir/resident")" | awk '{ printf "%.0f", ($1 - $2) * 1024 / $3 }')"
        stop KILL
        rm -rf "$dir/store"
    done
}

restart() {
    for seconds in 2 4 8; do
        start "${no_checkpoint[@]}"
        load --connections 64 --entries 1000 --warmup 0
        stop KILL
        local bytes
        bytes=$(cat "$dir"/store/journal/*.log | wc -c)
        start
        printf 'restart after %6.0f MB of journal: %s s of replay\n' \
            "$(echo "$bytes" | awk '{ print $1 / 1e6 }')" "$(metric log_analytics_recovery_replay_seconds)"
        stop
        rm -rf "$dir/store"
    done
}

many() {
    start
    load --connections 64 --entries 20 --fields full --customers 20000 --rate 2000
    printf 'many 20000 customers, %s batches/s: p50 %s p99 %s ms, refused %s, errors %s, peak %d MB; %s\n' \
        "$(field batchesPerSecond)" "$(field p50)" "$(field p99)" "$(field unavailable)" "$(field errors)" $(($(peak_kb) / 1024)) \
        "$(checkpoints)"
    stop
    rm -rf "$dir/store"
}

noisy() {
    # 100 customers with two batches a second each, alone and then beside one that sends batches of 1,000 without a pause.
    for beside in no yes; do
        start
        local noise=
        if [ $beside = yes ]; then
            # It stands for other machines, so it gets what the server and the quiet ones leave.
            nice -n 19 "$bin/examples/load" --url "$url" --connections 256 --entries 1000 --fields full --first-customer 100 \
                --warmup 0 --seconds $((seconds + 4)) --json >"$dir/noise" &
            noise=$!
        fi
        load --connections 64 --entries 20 --fields full --customers 100 --rate 200
        [ -z "$noise" ] || wait "$noise"
        printf '100 quiet customers, beside a noisy one: %-3s: p50 %s p99 %s ms, refused %s, errors %s\n' $beside \
            "$(field p50)" "$(field p99)" "$(field unavailable)" "$(field errors)"
        stop
        rm -rf "$dir/store"
    done
}

[ $# -gt 0 ] || set -- customers windows restart many noisy
for case in "$@"; do
    case $case in
    customers | windows | restart | many | noisy) "$case" ;;
    *) echo "no such case: $case" >&2; exit 2 ;;
    esac
done
