-- Optional, after schema.sql: minutes are deleted after 90 days, hours after two years, days never. Without this file
-- everything is kept for ever, as the one-machine server does by default.
--
-- Hours and days of the last 88 days are still added up from minutes when asked for; older ones come from tables that are
-- filled every ten minutes with what changed in the last hour (a refresh may be missed five times): whole rows, which replace
-- those that are there. The days between 88 and 90 are the distance that keeps an hour or a day from being added up from minutes
-- of which some are deleted already.
--
-- What comes later than 88 days after its minute no longer reaches hours and days. It may be run again; each run fills the
-- kept tables from all that there is.

CREATE TABLE IF NOT EXISTS log_analytics.kept_hour_totals AS log_analytics.minute_totals
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_hour_totals
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_hour_totals AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfHour(window_start)) IN
      (
          SELECT customer, toStartOfHour(window_start)
          FROM log_analytics.minute_totals
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, hour
);

INSERT INTO log_analytics.kept_hour_totals
    (customer, window_start,
     requests, response_bytes, duration_micros, status, zero_durations, buckets,
     robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
     visitors, folded, version, final)
SELECT customer, window_start,
       requests, response_bytes, duration_micros, status, zero_durations, buckets,
       robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
       visitors, folded, version, final
FROM log_analytics.hour_totals;

CREATE OR REPLACE VIEW log_analytics.hour_totals AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, hour
    UNION ALL
    SELECT customer, window_start AS hour,
           requests, response_bytes, duration_micros, status, zero_durations, buckets,
           robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
           visitors, folded, version, final
    FROM log_analytics.kept_hour_totals FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

CREATE TABLE IF NOT EXISTS log_analytics.kept_day_totals AS log_analytics.minute_totals
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_day_totals
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_day_totals AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfDay(window_start)) IN
      (
          SELECT customer, toStartOfDay(window_start)
          FROM log_analytics.minute_totals
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, day
);

INSERT INTO log_analytics.kept_day_totals
    (customer, window_start,
     requests, response_bytes, duration_micros, status, zero_durations, buckets,
     robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
     visitors, folded, version, final)
SELECT customer, window_start,
       requests, response_bytes, duration_micros, status, zero_durations, buckets,
       robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
       visitors, folded, version, final
FROM log_analytics.day_totals;

CREATE OR REPLACE VIEW log_analytics.day_totals AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, day
    UNION ALL
    SELECT customer, window_start AS day,
           requests, response_bytes, duration_micros, status, zero_durations, buckets,
           robots, robot_response_bytes, robot_duration_micros, robot_status, robot_zero_durations, robot_buckets,
           visitors, folded, version, final
    FROM log_analytics.kept_day_totals FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

CREATE TABLE IF NOT EXISTS log_analytics.kept_hour_keys AS log_analytics.minute_keys
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, dimension, window_start, key);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_hour_keys
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_hour_keys AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfHour(window_start)) IN
      (
          SELECT customer, toStartOfHour(window_start)
          FROM log_analytics.minute_keys
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, dimension, key, hour
);

INSERT INTO log_analytics.kept_hour_keys
    (customer, dimension, key, window_start,
     requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final)
SELECT customer, dimension, key, window_start,
       requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final
FROM log_analytics.hour_keys;

CREATE OR REPLACE VIEW log_analytics.hour_keys AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, dimension, key, hour
    UNION ALL
    SELECT customer, dimension, key, window_start AS hour,
           requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final
    FROM log_analytics.kept_hour_keys FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

CREATE TABLE IF NOT EXISTS log_analytics.kept_day_keys AS log_analytics.minute_keys
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, dimension, window_start, key);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_day_keys
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_day_keys AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfDay(window_start)) IN
      (
          SELECT customer, toStartOfDay(window_start)
          FROM log_analytics.minute_keys
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, dimension, key, day
);

INSERT INTO log_analytics.kept_day_keys
    (customer, dimension, key, window_start,
     requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final)
SELECT customer, dimension, key, window_start,
       requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final
FROM log_analytics.day_keys;

CREATE OR REPLACE VIEW log_analytics.day_keys AS
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
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, dimension, key, day
    UNION ALL
    SELECT customer, dimension, key, window_start AS day,
           requests, robots, response_bytes, duration_micros, status, zero_durations, buckets, version, final
    FROM log_analytics.kept_day_keys FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

ALTER TABLE log_analytics.minute_totals MODIFY TTL window_start + INTERVAL 90 DAY DELETE;

ALTER TABLE log_analytics.minute_keys MODIFY TTL window_start + INTERVAL 90 DAY DELETE;

ALTER TABLE log_analytics.kept_hour_totals MODIFY TTL window_start + INTERVAL 2 YEAR DELETE;

ALTER TABLE log_analytics.kept_hour_keys MODIFY TTL window_start + INTERVAL 2 YEAR DELETE;
