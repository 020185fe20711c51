#!/usr/bin/env bash
# Requests a second and latency of the real binary under wrk, both front ends in the same run, and a crowd around it.
#
#   cargo build --release && bench/http.sh
#
# Needs wrk (apt-get install wrk). Environment: SECONDS_EACH (5), ROUNDS (3), TMPDIR (/tmp), BIN (target/release).
# tiny_http is asked with `connection: close`, which it has to answer with anyway: its pool keeps later connections
# waiting behind idle ones. What counts are the ratios; wrk and server share the machine.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-5} rounds=${ROUNDS:-3} bin=${BIN:-target/release}
command -v wrk >/dev/null || { echo "wrk is missing: apt-get install wrk" >&2; exit 2; }
ulimit -n 4096
dir=$(mktemp -d "${TMPDIR:-/tmp}/http-bench.XXXXXX")
server= crowd=
stop() {
    for pid in $crowd $server; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
    server= crowd=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

cat >"$dir/batch.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["x-customer-id"] = "bench"
wrk.headers["content-type"] = "application/json"
local entry = '{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"/","userAgent":"curl/8.0"}'
wrk.body = "[" .. string.rep(entry .. ",", 19) .. entry .. "]"
LUA

# start FRONT-END
start() {
    "$bin/log-analytics" serve --listen 127.0.0.1:0 --data-dir "$dir/store" --http-server "$1" \
        >"$dir/out" 2>"$dir/log" &
    server=$!
    for _ in $(seq 100); do
        port=$(sed -n 's/.*ready on http:.*:\([0-9]*\)$/\1/p' "$dir/out")
        [ -z "$port" ] || return 0
        sleep 0.1
    done
    cat "$dir/log" >&2
    exit 1
}

# ask NAME PATH WRK-FLAGS… : prints a line, leaves requests a second in $rate
ask() {
    local name=$1 path=$2
    shift 2
    wrk --latency --timeout 5s -d "${seconds}s" "$@" "http://127.0.0.1:$port$path" >"$dir/wrk"
    rate=$(awk '/^Requests\/sec/ { print $2 }' "$dir/wrk")
    local errors
    errors=$(grep -E 'Socket errors|Non-2xx' "$dir/wrk" | tr -s ' \n' ' ' || true)
    printf '%-34s %9.0f requests/s  p50 %8s  p99 %8s  max %8s  errors:%s\n' "$name" "$rate" \
        "$(awk '$1 == "50%" { print $2 }' "$dir/wrk")" "$(awk '$1 == "99%" { print $2 }' "$dir/wrk")" \
        "$(awk '$1 == "Latency" && NF == 5 { print $4 }' "$dir/wrk")" "${errors:- none}"
}

# Opens 1,000 connections that say nothing, in a process of their own.
gather() {
    : >"$dir/crowd"
    bash -c 'for _ in $(seq 1000); do exec {fd}<>"/dev/tcp/127.0.0.1/$0" || exit 1; done
             echo here; exec sleep 1000' "$port" >"$dir/crowd" &
    crowd=$!
    until grep -q here "$dir/crowd"; do kill -0 "$crowd"; sleep 0.05; done
}

# Opens 200 connections, asks on all, and waits until all are answered; all stay open. Milliseconds.
burst() {
    local fds=() fd line begin
    begin=${EPOCHREALTIME/[.,]/}
    for _ in $(seq 200); do exec {fd}<>"/dev/tcp/127.0.0.1/$port"; fds+=("$fd"); done
    for fd in "${fds[@]}"; do printf 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n' >&"$fd"; done
    for fd in "${fds[@]}"; do read -r -t 10 line <&"$fd"; [[ $line == *" 200 "* ]]; done
    echo "a burst of 200 connections, all kept open: answered after $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
    for fd in "${fds[@]}"; do exec {fd}>&-; done
}

for round in $(seq "$rounds"); do
    echo "-- round $round of $rounds"
    start guarded
    ask "guarded /healthz" /healthz -t2 -c64
    guarded_get=$rate
    ask "guarded batches of 20" /logs -t2 -c64 -s "$dir/batch.lua"
    guarded_post=$rate
    ask "guarded /healthz, close" /healthz -t2 -c64 -H 'connection: close'
    burst
    gather
    ask "guarded among 1,000 idle" /healthz -t1 -c8
    ask "guarded among 1,000 idle, close" /healthz -t1 -c8 -H 'connection: close'
    ask "guarded batches among 1,000 idle" /logs -t1 -c8 -s "$dir/batch.lua"
    stop
    start tiny_http
    ask "tiny_http /healthz, close" /healthz -t2 -c64 -H 'connection: close'
    tiny_get=$rate
    ask "tiny_http batches of 20, close" /logs -t2 -c64 -s "$dir/batch.lua" -H 'connection: close'
    tiny_post=$rate
    stop
    rm -rf "$dir/store"
    awk -v a="$guarded_get" -v b="$tiny_get" -v c="$guarded_post" -v d="$tiny_post" \
        'BEGIN { printf "guarded : tiny_http = %.1f (/healthz), %.1f (batches of 20)\n", a / b, c / d }'
done
