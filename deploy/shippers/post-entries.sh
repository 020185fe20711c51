#!/bin/sh
# Posts finished files of entries (NDJSON, as nginx-log.conf writes them) with nothing but curl; for cron and logrotate.
#   post-entries.sh URL CUSTOMER FILE…        gzip is undone
# A key follows from a batch's place and content, so a file may be posted as often as you like: what was counted before
# is answered 409, which is success. Only for files that do not grow any more; `log-analytics import` takes those that do.
# Needs curl, split and sha256sum. TOKEN, if set, is sent as the gateway's token.
set -eu
if [ "${1:-}" = --batch ]; then
    # One batch on standard input; split sets FILE to xaa, xab, … by its place.
    batch=$(mktemp)
    trap 'rm -f "$batch"' EXIT
    cat >"$batch"
    key=$FILE-$(sha256sum <"$batch" | cut -c1-64)
    status=$(curl --silent --show-error --output "$batch.answer" --write-out '%{http_code}' \
        --retry 20 --retry-connrefused --retry-max-time 600 \
        --header "x-customer-id: $CUSTOMER" --header "idempotency-key: $key" \
        --header 'content-type: application/x-ndjson' ${TOKEN:+--header "authorization: Bearer $TOKEN"} \
        --data-binary @"$batch" "$URL/logs") || status=000
    answer=$(cat "$batch.answer" 2>/dev/null || true)
    rm -f "$batch.answer"
    case $status in
    202 | 409) exit 0 ;;
    *)
        echo "$URL answered $status: $answer" >&2
        exit 1
        ;;
    esac
fi
[ $# -ge 3 ] || { echo "usage: $0 URL CUSTOMER FILE…" >&2; exit 2; }
URL=$1 CUSTOMER=$2
export URL CUSTOMER
shift 2
for file; do
    case $file in *.gz) gzip -dc "$file" ;; *) cat "$file" ;; esac |
        split --line-bytes=1500K --suffix-length=4 --filter="'$0' --batch" -
done
