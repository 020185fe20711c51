-- Windows in ClickHouse (26.x). Every statement may be run again. Semicolons end lines, comments have lines of their own:
-- the test harness splits by that.
--
-- The window job and `reconcile` insert rows with ABSOLUTE counts and a version that grows with what is counted. The same
-- row may arrive any number of times and in any order; the newest version of a key stays. ClickHouse merges rows when it
-- likes, so readers say FINAL, as the views here do.
--
-- Partitions are years: an insert may touch a hundred partitions at most, and old logs come with months of many years at once.

CREATE DATABASE IF NOT EXISTS log_analytics;

-- One row per customer, minute and `METHOD path`.
CREATE TABLE IF NOT EXISTS log_analytics.minute_by_path
(
    customer     String CODEC(ZSTD),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    path         String CODEC(ZSTD),
    requests     UInt64 CODEC(T64, ZSTD),
    -- 2 x distinct batches counted, + 1 once the watermark has passed; from 2^40 on: written by `reconcile`.
    version      UInt64 CODEC(T64, ZSTD),
    -- 1: the window was complete, by event time, when the row was written.
    final        UInt8,
    -- What changed lately, for the rollups of retention.sql.
    inserted_at  DateTime('UTC') DEFAULT now('UTC') CODEC(DoubleDelta, ZSTD),
    INDEX inserted inserted_at TYPE minmax
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start, path);

-- One row per customer, minute and family of user agents.
CREATE TABLE IF NOT EXISTS log_analytics.minute_by_agent
(
    customer     String CODEC(ZSTD),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    agent        LowCardinality(String),
    requests     UInt64 CODEC(T64, ZSTD),
    version      UInt64 CODEC(T64, ZSTD),
    final        UInt8,
    inserted_at  DateTime('UTC') DEFAULT now('UTC') CODEC(DoubleDelta, ZSTD),
    INDEX inserted inserted_at TYPE minmax
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start, agent);

-- Hours and days, added up from the minutes when they are asked for: exact at any time. Conditions on customer and
-- window_start reach the minute tables' keys.
CREATE VIEW IF NOT EXISTS log_analytics.hour_by_path AS
SELECT customer, hour AS window_start, path, requests, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour, path,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_path FINAL
    GROUP BY customer, hour, path
);

CREATE VIEW IF NOT EXISTS log_analytics.hour_by_agent AS
SELECT customer, hour AS window_start, agent, requests, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour, agent,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_agent FINAL
    GROUP BY customer, hour, agent
);

CREATE VIEW IF NOT EXISTS log_analytics.day_by_path AS
SELECT customer, day AS window_start, path, requests, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day, path,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_path FINAL
    GROUP BY customer, day, path
);

CREATE VIEW IF NOT EXISTS log_analytics.day_by_agent AS
SELECT customer, day AS window_start, agent, requests, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day, agent,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_agent FINAL
    GROUP BY customer, day, agent
);
