-- Optional, after schema.sql: minutes are deleted after 90 days, hours after two years, days never. Without this file
-- everything is kept for ever, as the one-machine server does by default.
--
-- Hours and days of the last 88 days are still added up from minutes when asked for; older ones come from tables that are
-- filled every ten minutes with what changed in the last hour (a refresh may be missed five times). The days between 88 and 90
-- are the distance that keeps an hour or a day from being added up from minutes of which some are deleted already.
--
-- What comes later than 88 days after its minute no longer reaches hours and days. It may be run again; each run fills the
-- kept tables from all that there is.

CREATE TABLE IF NOT EXISTS log_analytics.kept_hour_by_path
(
    customer     String CODEC(ZSTD),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    path         String CODEC(ZSTD),
    requests     UInt64 CODEC(T64, ZSTD),
    version      UInt64 CODEC(T64, ZSTD),
    final        UInt8
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start, path);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_hour_by_path
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_hour_by_path AS
SELECT customer, hour AS window_start, path, requests, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour, path,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_path FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfHour(window_start)) IN
      (
          SELECT customer, toStartOfHour(window_start)
          FROM log_analytics.minute_by_path
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, hour, path
);

INSERT INTO log_analytics.kept_hour_by_path (customer, window_start, path, requests, version, final)
SELECT customer, window_start, path, requests, version, final
FROM log_analytics.hour_by_path;

CREATE OR REPLACE VIEW log_analytics.hour_by_path AS
SELECT customer, hour AS window_start, path, requests, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour, path,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_path FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, hour, path
    UNION ALL
    SELECT customer, window_start AS hour, path, requests, version, final
    FROM log_analytics.kept_hour_by_path FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

CREATE TABLE IF NOT EXISTS log_analytics.kept_day_by_path
(
    customer     String CODEC(ZSTD),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    path         String CODEC(ZSTD),
    requests     UInt64 CODEC(T64, ZSTD),
    version      UInt64 CODEC(T64, ZSTD),
    final        UInt8
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start, path);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_day_by_path
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_day_by_path AS
SELECT customer, day AS window_start, path, requests, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day, path,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_path FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfDay(window_start)) IN
      (
          SELECT customer, toStartOfDay(window_start)
          FROM log_analytics.minute_by_path
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, day, path
);

INSERT INTO log_analytics.kept_day_by_path (customer, window_start, path, requests, version, final)
SELECT customer, window_start, path, requests, version, final
FROM log_analytics.day_by_path;

CREATE OR REPLACE VIEW log_analytics.day_by_path AS
SELECT customer, day AS window_start, path, requests, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day, path,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_path FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, day, path
    UNION ALL
    SELECT customer, window_start AS day, path, requests, version, final
    FROM log_analytics.kept_day_by_path FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

CREATE TABLE IF NOT EXISTS log_analytics.kept_hour_by_agent
(
    customer     String CODEC(ZSTD),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    agent        LowCardinality(String),
    requests     UInt64 CODEC(T64, ZSTD),
    version      UInt64 CODEC(T64, ZSTD),
    final        UInt8
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start, agent);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_hour_by_agent
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_hour_by_agent AS
SELECT customer, hour AS window_start, agent, requests, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour, agent,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_agent FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfHour(window_start)) IN
      (
          SELECT customer, toStartOfHour(window_start)
          FROM log_analytics.minute_by_agent
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, hour, agent
);

INSERT INTO log_analytics.kept_hour_by_agent (customer, window_start, agent, requests, version, final)
SELECT customer, window_start, agent, requests, version, final
FROM log_analytics.hour_by_agent;

CREATE OR REPLACE VIEW log_analytics.hour_by_agent AS
SELECT customer, hour AS window_start, agent, requests, version, final
FROM
(
    SELECT customer, toStartOfHour(window_start) AS hour, agent,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_agent FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, hour, agent
    UNION ALL
    SELECT customer, window_start AS hour, agent, requests, version, final
    FROM log_analytics.kept_hour_by_agent FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

CREATE TABLE IF NOT EXISTS log_analytics.kept_day_by_agent
(
    customer     String CODEC(ZSTD),
    window_start DateTime('UTC') CODEC(DoubleDelta, ZSTD),
    agent        LowCardinality(String),
    requests     UInt64 CODEC(T64, ZSTD),
    version      UInt64 CODEC(T64, ZSTD),
    final        UInt8
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYear(window_start)
ORDER BY (customer, window_start, agent);

CREATE MATERIALIZED VIEW IF NOT EXISTS log_analytics.keep_day_by_agent
REFRESH EVERY 10 MINUTE APPEND TO log_analytics.kept_day_by_agent AS
SELECT customer, day AS window_start, agent, requests, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day, agent,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_agent FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
      AND (customer, toStartOfDay(window_start)) IN
      (
          SELECT customer, toStartOfDay(window_start)
          FROM log_analytics.minute_by_agent
          WHERE inserted_at >= now('UTC') - INTERVAL 1 HOUR
      )
    GROUP BY customer, day, agent
);

INSERT INTO log_analytics.kept_day_by_agent (customer, window_start, agent, requests, version, final)
SELECT customer, window_start, agent, requests, version, final
FROM log_analytics.day_by_agent;

CREATE OR REPLACE VIEW log_analytics.day_by_agent AS
SELECT customer, day AS window_start, agent, requests, version, final
FROM
(
    SELECT customer, toStartOfDay(window_start) AS day, agent,
           sum(requests) AS requests, sum(version) AS version, min(final) AS final
    FROM log_analytics.minute_by_agent FINAL
    WHERE window_start >= toStartOfDay(now('UTC') - INTERVAL 88 DAY)
    GROUP BY customer, day, agent
    UNION ALL
    SELECT customer, window_start AS day, agent, requests, version, final
    FROM log_analytics.kept_day_by_agent FINAL
    WHERE window_start < toStartOfDay(now('UTC') - INTERVAL 88 DAY)
);

ALTER TABLE log_analytics.minute_by_path MODIFY TTL window_start + INTERVAL 90 DAY DELETE;

ALTER TABLE log_analytics.minute_by_agent MODIFY TTL window_start + INTERVAL 90 DAY DELETE;

ALTER TABLE log_analytics.kept_hour_by_path MODIFY TTL window_start + INTERVAL 2 YEAR DELETE;

ALTER TABLE log_analytics.kept_hour_by_agent MODIFY TTL window_start + INTERVAL 2 YEAR DELETE;
