"""What `summarize` answers, asked of DuckDB.

    python3 with_duckdb.py bare|full FILE THREADS OUT

bare: requests by minute and path, and by minute and user agent. A line for each count: minute, key, requests.
full: by minute and each of path, user agent, status, host, referrer and country requests, errors, bytes and three quantiles of the
duration; visitors by minute. A line for each: minute, dimension, key, requests, errors, bytes, quantiles, visitors.
Needs `pip install duckdb`.
"""

import sys

import duckdb

BARE = """
    SELECT minute, coalesce(request, agent) AS counted, count(*) AS requests
    FROM (
        SELECT receivedAt[1:16] AS minute, upper(method) || ' ' || split_part(path, '?', 1) AS request, userAgent AS agent
        FROM read_json(?, format = 'newline_delimited', columns = {
            receivedAt: 'VARCHAR', method: 'VARCHAR', path: 'VARCHAR', userAgent: 'VARCHAR'})
    )
    GROUP BY GROUPING SETS ((minute, request), (minute, agent))
"""
# Quantiles and visitors approximated, as ours are.
FULL = """
    SELECT
        minute,
        CASE GROUPING(request, agent, status, host, referrer, country)
            WHEN 31 THEN 'path' WHEN 47 THEN 'userAgent' WHEN 55 THEN 'status' WHEN 59 THEN 'host'
            WHEN 61 THEN 'referrer' WHEN 62 THEN 'country' ELSE 'all' END AS dimension,
        coalesce(request, agent, status::VARCHAR, host, referrer, country) AS counted,
        count(*) AS requests,
        count(*) FILTER (status >= 400) AS errors,
        sum(responseBytes) AS bytes,
        approx_quantile(durationSeconds, [0.5, 0.95, 0.99]) AS quantiles,
        CASE WHEN GROUPING(request, agent, status, host, referrer, country) = 63
            THEN approx_count_distinct(hash(clientIp, agent)) END AS visitors
    FROM (
        SELECT receivedAt[1:16] AS minute, upper(method) || ' ' || split_part(path, '?', 1) AS request, userAgent AS agent,
            status, host, country, split_part(referrer, '/', 3) AS referrer, responseBytes, durationSeconds, clientIp
        FROM read_json(?, format = 'newline_delimited', columns = {
            receivedAt: 'VARCHAR', method: 'VARCHAR', path: 'VARCHAR', userAgent: 'VARCHAR', status: 'SMALLINT',
            responseBytes: 'BIGINT', durationSeconds: 'DOUBLE', host: 'VARCHAR', referrer: 'VARCHAR', clientIp: 'VARCHAR',
            country: 'VARCHAR'})
    )
    GROUP BY GROUPING SETS (
        (minute, request), (minute, agent), (minute, status), (minute, host), (minute, referrer), (minute, country), (minute))
"""

question, file, threads, out = sys.argv[1:5]
db = duckdb.connect(config={"threads": int(threads)})
asked = {"bare": BARE, "full": FULL}[question]
db.execute("COPY (%s) TO '%s' (FORMAT csv, HEADER false)" % (asked, out.replace("'", "''")), [file])
