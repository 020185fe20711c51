-- Windows in ClickHouse (26.x). Every statement may be run again. Semicolons end lines, comments have lines of their own:
-- the test harness splits by that.
--
-- The window job and `reconcile` insert rows with ABSOLUTE counts and a version that grows with what is counted. The same
-- row may arrive any number of times and in any order; the newest version of a key stays. ClickHouse merges rows when it
-- likes, so readers say FINAL, as the views here do. Nothing is ever added to a row: sumMap and maxMap stand in SELECTs only.
--
-- Partitions are years: an insert may touch a hundred partitions at most, and old logs come with months of many years at once.

CREATE DATABASE IF NOT EXISTS log_analytics;

-- One row per customer and minute: the sums of all requests, those of robots, and the visitors.
CREATE TABLE IF NOT EXISTS log_analytics.minute_totals
(
    customer              String CODEC(ZSTD),
    window_start          DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    requests              UInt64 CODEC(T64, ZSTD),
    response_bytes        UInt64 CODEC(T64, ZSTD),
    duration_micros       UInt64 CODEC(T64, ZSTD),
    -- Requests by status.
    status                Map(UInt16, UInt64) CODEC(ZSTD),
    -- Durations below a microsecond, and the others by bucket: number i holds those above 2^((i-1)/8) up to 2^(i/8) seconds.
    zero_durations        UInt64 CODEC(T64, ZSTD),
    buckets               Map(Int16, UInt64) CODEC(ZSTD),
    robots                UInt64 CODEC(T64, ZSTD),
    robot_response_bytes  UInt64 CODEC(T64, ZSTD),
    robot_duration_micros UInt64 CODEC(T64, ZSTD),
    robot_status          Map(UInt16, UInt64) CODEC(ZSTD),
    robot_zero_durations  UInt64 CODEC(T64, ZSTD),
    robot_buckets         Map(Int16, UInt64) CODEC(ZSTD),
    -- HyperLogLog: value by register, those above zero.
    visitors              Map(UInt16, UInt8) CODEC(ZSTD),
    -- By dimension: a key may have so many requests more than its row says, or than none where it has no row.
    folded                Map(LowCardinality(String), UInt64) CODEC(ZSTD),
    -- 2 x distinct batches counted, + 1 once the watermark has passed; from 2^40 on: written by `reconcile`.
    version               UInt64 CODEC(T64, ZSTD),
    -- 1: the window was complete, by event time, when the row was written.
    final                 UInt8,
    -- What changed lately, for the rollups of retention.sql.
    inserted_at           DateTime('UTC') DEFAULT now('UTC') CODEC(DoubleDelta, ZSTD),
    INDEX inserted inserted_at TYPE minmax
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start);

-- One row per customer, minute and key of a dimension (path, userAgent, host, ...). A key that was folded into `(other)`
-- has a row with 0 requests.
CREATE TABLE IF NOT EXISTS log_analytics.minute_keys
(
    customer        String CODEC(ZSTD),
    dimension       LowCardinality(String),
    window_start    DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    key             String CODEC(ZSTD),
    requests        UInt64 CODEC(T64, ZSTD),
    robots          UInt64 CODEC(T64, ZSTD),
    response_bytes  UInt64 CODEC(T64, ZSTD),
    duration_micros UInt64 CODEC(T64, ZSTD),
    status          Map(UInt16, UInt64) CODEC(ZSTD),
    zero_durations  UInt64 CODEC(T64, ZSTD),
    buckets         Map(Int16, UInt64) CODEC(ZSTD),
    version         UInt64 CODEC(T64, ZSTD),
    final           UInt8,
    inserted_at     DateTime('UTC') DEFAULT now('UTC') CODEC(DoubleDelta, ZSTD),
    INDEX inserted inserted_at TYPE minmax
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, dimension, window_start, key);

-- Hours and days, added up from the minutes when they are asked for: exact at any time. Conditions on customer, dimension and
-- window_start reach the minute tables' keys. Sums of bytes and durations stay at 2^63-1; counts cannot come that far.

CREATE VIEW IF NOT EXISTS log_analytics.hour_totals AS
SELECT customer, hour AS window_start,
       requests, response_bytes, duration_micros, status, zero_durations, buckets,
       robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
       visitors, folded, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour,
           sum(requests) AS requests,
           toUInt64(least(sum(toUInt128(response_bytes)), 9223372036854775807)) AS response_bytes,
           toUInt64(least(sum(toUInt128(duration_micros)), 9223372036854775807)) AS duration_micros,
           sumMap(status) AS status, sum(zero_durations) AS zero_durations, sumMap(buckets) AS buckets,
           sum(robots) AS robots,
           toUInt64(least(sum(toUInt128(robot_response_bytes)), 9223372036854775807)) AS robot_response_bytes,
           toUInt64(least(sum(toUInt128(robot_duration_micros)), 9223372036854775807)) AS robot_duration_micros,
           sumMap(robot_status) AS robot_status, sum(robot_zero_durations) AS robot_zero_durations,
           sumMap(robot_buckets) AS robot_buckets, maxMap(visitors) AS visitors, sumMap(folded) AS folded,
           sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_totals FINAL
    GROUP BY customer, hour
);

CREATE VIEW IF NOT EXISTS log_analytics.hour_keys AS
SELECT customer, dimension, key, hour AS window_start,
       requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final
FROM
(
    SELECT customer, dimension, key, toStartOfHour(window_start) AS hour,
           sum(requests) AS requests, sum(robots) AS robots,
           toUInt64(least(sum(toUInt128(response_bytes)), 9223372036854775807)) AS response_bytes,
           toUInt64(least(sum(toUInt128(duration_micros)), 9223372036854775807)) AS duration_micros,
           sumMap(status) AS status, sum(zero_durations) AS zero_durations, sumMap(buckets) AS buckets,
           sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_keys FINAL
    GROUP BY customer, dimension, key, hour
);

CREATE VIEW IF NOT EXISTS log_analytics.day_totals AS
SELECT customer, day AS window_start,
       requests, response_bytes, duration_micros, status, zero_durations, buckets,
       robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
       visitors, folded, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day,
           sum(requests) AS requests,
           toUInt64(least(sum(toUInt128(response_bytes)), 9223372036854775807)) AS response_bytes,
           toUInt64(least(sum(toUInt128(duration_micros)), 9223372036854775807)) AS duration_micros,
           sumMap(status) AS status, sum(zero_durations) AS zero_durations, sumMap(buckets) AS buckets,
           sum(robots) AS robots,
           toUInt64(least(sum(toUInt128(robot_response_bytes)), 9223372036854775807)) AS robot_response_bytes,
           toUInt64(least(sum(toUInt128(robot_duration_micros)), 9223372036854775807)) AS robot_duration_micros,
           sumMap(robot_status) AS robot_status, sum(robot_zero_durations) AS robot_zero_durations,
           sumMap(robot_buckets) AS robot_buckets, maxMap(visitors) AS visitors, sumMap(folded) AS folded,
           sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_totals FINAL
    GROUP BY customer, day
);

CREATE VIEW IF NOT EXISTS log_analytics.day_keys AS
SELECT customer, dimension, key, day AS window_start,
       requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final
FROM
(
    SELECT customer, dimension, key, toStartOfDay(window_start) AS day,
           sum(requests) AS requests, sum(robots) AS robots,
           toUInt64(least(sum(toUInt128(response_bytes)), 9223372036854775807)) AS response_bytes,
           toUInt64(least(sum(toUInt128(duration_micros)), 9223372036854775807)) AS duration_micros,
           sumMap(status) AS status, sum(zero_durations) AS zero_durations, sumMap(buckets) AS buckets,
           sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_keys FINAL
    GROUP BY customer, dimension, key, day
);
