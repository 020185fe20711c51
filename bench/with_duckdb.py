"""What `summarize` answers, asked of DuckDB: requests by minute and path, and by minute and user agent.

    python3 with_duckdb.py FILE THREADS OUT

Writes one line for each count: minute, what is counted, count. Needs `pip install duckdb`.
"""

import sys

import duckdb

file, threads, out = sys.argv[1:4]
db = duckdb.connect(config={"threads": int(threads)})
db.execute(
    """
    COPY (
        SELECT minute, coalesce(request, agent) AS counted, count(*) AS requests
        FROM (
            SELECT receivedAt[1:16] AS minute, upper(method) || ' ' || path AS request, userAgent AS agent
            FROM read_json(?, format = 'newline_delimited', columns = {
                receivedAt: 'VARCHAR', method: 'VARCHAR', path: 'VARCHAR', userAgent: 'VARCHAR'})
        )
        GROUP BY GROUPING SETS ((minute, request), (minute, agent))
    ) TO '%s' (FORMAT csv, HEADER false)
    """
    % out.replace("'", "''"),
    [file],
)
