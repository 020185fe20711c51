-- Windows in ClickHouse (26.x). Every statement may be run again. Semicolons at line ends only; comments on lines of
-- their own: the test harness splits by that.
--
-- The window job and `reconcile` insert rows with ABSOLUTE counts and a version that grows with what is counted; the same
-- row may arrive any number of times and in any order, and the newest version of a key stays. Read with FINAL (as the
-- views do): merges happen when ClickHouse likes.

CREATE DATABASE IF NOT EXISTS log_analytics;

-- One row per customer, minute and `METHOD path`.
CREATE TABLE IF NOT EXISTS log_analytics.minute_by_path
(
    customer     LowCardinality(String),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    path         String CODEC(ZSTD),
    requests     UInt64 CODEC(T64, ZSTD),
    -- 2 x distinct batches counted, + 1 once the watermark has passed; from 2^40 on: written by `reconcile`.
    version      UInt64 CODEC(T64, ZSTD),
    -- 1: the window was complete, by event time, when the row was written.
    final        UInt8
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (customer, window_start, path);

-- One row per customer, minute and family of user agents.
CREATE TABLE IF NOT EXISTS log_analytics.minute_by_agent
(
    customer     LowCardinality(String),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    agent        LowCardinality(String),
    requests     UInt64 CODEC(T64, ZSTD),
    version      UInt64 CODEC(T64, ZSTD),
    final        UInt8
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (customer, window_start, agent);
