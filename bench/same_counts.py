"""Whether `summarize` and DuckDB counted the same.

    python3 same_counts.py bare|full WINDOWS CSV

CSV is what with_duckdb.py wrote. Requests are compared by minute and path; of the full question requests, errors and bytes by minute
and path and by minute and host, and requests by referrer, agent's minute totals and country. Families, quantiles and visitors are
read differently on both sides.
"""

import csv
import json
import sys

question, windows, counted = sys.argv[1:4]
windows = {window["windowStart"][:16]: window for window in map(json.loads, open(windows)) if window.get("windowSize", "minute") == "minute"}
rows = list(csv.reader(open(counted)))


def errors(measures):
    return sum(count for status, count in measures.get("status", {}).items() if int(status) >= 400)


ours, theirs = {}, {}
if question == "bare":
    theirs = {(minute, key): int(requests) for minute, key, requests in rows if " /" in key[:9]}
    ours = {(minute, path): count for minute, window in windows.items() for path, count in window["requestsByPath"].items()}
else:
    for minute, dimension, key, requests, wrong, size, _, _ in rows:
        if dimension in ("path", "host", "all"):
            theirs[minute, dimension, key] = (int(requests), int(wrong), int(size))
        elif dimension == "country":
            theirs[minute, dimension, key] = int(requests)
    for minute, window in windows.items():
        ours[minute, "all", ""] = (window["requests"], errors(window), window["responseBytes"])
        for dimension, name in (("path", "Path"), ("host", "Host")):
            for key, requests in window["requestsBy" + name].items():
                measures = window["measuresBy" + name].get(key, {})
                ours[minute, dimension, key] = (requests, errors(measures), measures.get("responseBytes", 0))
        for key, requests in window["requestsByCountry"].items():
            ours[minute, "country", key] = requests
assert ours == theirs, "the counts differ"
print(len(ours), "counts are the same")
