"""deploy/clickhouse/*.sql in the real ClickHouse engine: rows replace each other, hours and days add up, retention keeps them."""

import json
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

import cache
import clickhouse

sys.path.insert(0, str(cache.chdb()))

from chdb import session

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86400
SQL = cache.HERE.parent / "clickhouse"


def run_script(engine, name: str) -> None:
    for statement in clickhouse.statements((SQL / name).read_text()):
        engine.query(statement)


def insert(engine, table: str, rows: list[dict]) -> None:
    engine.query(f"INSERT INTO log_analytics.{table} FORMAT JSONEachRow " + "\n".join(map(json.dumps, rows)))


def key_row(start: int, requests: int, version: int, key: str = "GET /", customer: str = "demo", **more) -> dict:
    return {"customer": customer, "dimension": "path", "window_start": start, "key": key, "requests": requests,
            "version": version, "final": version % 2, **more}


def totals_row(start: int, requests: int, version: int, **more) -> dict:
    return {"customer": "demo", "window_start": start, "requests": requests, "version": version, "final": version % 2, **more}


def select(engine, sql: str) -> list[list]:
    answer = engine.query(sql, "JSONCompactEachRow").bytes().decode()
    return [json.loads(line) for line in answer.splitlines()]


class SchemaTest(unittest.TestCase):
    """One engine for all tests (there can be one in a process), emptied before each."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="schema-test-")
        cls.engine = session.Session(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.engine.close()
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.engine.query("DROP DATABASE IF EXISTS log_analytics SYNC")
        run_script(self.engine, "schema.sql")
        # The middle of an hour that began today or yesterday: nothing here depends on the time of day.
        self.hour = int(time.time()) // DAY_S * DAY_S - 12 * HOUR_S

    def test_the_newest_version_stays_whatever_the_order(self):
        for order in ([2, 5, 4], [5, 4, 2], [4, 2, 5]):
            start = self.hour + 60 * len(select(self.engine, "SELECT window_start FROM log_analytics.minute_keys FINAL"))
            for version in order:
                insert(self.engine, "minute_keys", [key_row(start, 10 * version, version)])
            rows = select(self.engine, "SELECT requests, version, final FROM log_analytics.minute_keys FINAL "
                                       f"WHERE window_start = {start}")
            self.assertEqual(rows, [[50, 5, 1]])

    def test_every_row_may_be_written_twice_in_any_order(self):
        measures = {"response_bytes": 10, "duration_micros": 7, "status": {"200": 1, "404": 2}, "zero_durations": 1,
                    "buckets": {"-22": 1, "3": 1}}
        robots = {"robots": 2, "robot_response_bytes": 3, "robot_duration_micros": 4, "robot_status": {"404": 2},
                  "robot_zero_durations": 1, "robot_buckets": {"-22": 1}}
        starts = [self.hour + MINUTE_S * i for i in range(10)]
        keys = [key_row(start, 3, 4, robots=1, **measures) for start in starts]
        older = [key_row(start, 2, 2, "GET /folded") for start in starts] + [key_row(start, 2, 2) for start in starts]
        folded = [key_row(start, 0, 4, "GET /folded") for start in starts]
        totals = [totals_row(start, 3, 4, visitors={"7": 1 + i, "4095": 53}, folded={"path": 2}, **measures, **robots)
                  for i, start in enumerate(starts)]
        for _ in range(2):
            for rows in (keys, folded, older):
                insert(self.engine, "minute_keys", rows)
            insert(self.engine, "minute_totals", totals)
            insert(self.engine, "minute_totals", [totals_row(start, 2, 2, visitors={"7": 50}) for start in starts])
        sums = [30, 10, 100, 70, {"200": 10, "404": 20}, 10, {"-22": 10, "3": 10}]
        columns = "response_bytes, duration_micros, status, zero_durations, buckets"
        numbers = "SETTINGS output_format_json_quote_64bit_integers = 0"
        for view in ("hour_keys", "day_keys"):
            rows = select(self.engine, f"SELECT requests, robots, {columns} FROM log_analytics.{view} WHERE requests > 0 {numbers}")
            self.assertEqual(rows, [sums], view)
        robot = ", ".join(f"robot_{column}" for column in columns.split(", "))
        for view in ("hour_totals", "day_totals"):
            rows = select(self.engine, f"SELECT requests, robots, {columns}, {robot}, visitors, folded FROM log_analytics.{view} {numbers}")
            expected = [30, 20, *sums[2:], 30, 40, {"404": 20}, 10, {"-22": 10}, {"7": 10, "4095": 53}, {"path": 20}]
            self.assertEqual(rows, [expected], view)

    def test_sums_of_bytes_and_durations_stay_at_the_largest_number(self):
        most = 2**63 - 1
        row = {"response_bytes": most, "duration_micros": most}
        insert(self.engine, "minute_keys", [key_row(self.hour + MINUTE_S * i, 1, 2, **row) for i in range(3)])
        insert(self.engine, "minute_totals", [
            totals_row(self.hour + MINUTE_S * i, 1, 2, robot_response_bytes=most, robot_duration_micros=i, **row) for i in range(3)])
        columns = "toString(response_bytes), toString(duration_micros)"
        self.assertEqual(select(self.engine, f"SELECT {columns} FROM log_analytics.day_keys"), [[str(most)] * 2])
        robots = "toString(robot_response_bytes), toString(robot_duration_micros)"
        self.assertEqual(select(self.engine, f"SELECT {columns}, {robots} FROM log_analytics.hour_totals"), [[str(most)] * 3 + ["3"]])

    def test_what_reconcile_writes_is_never_replaced(self):
        insert(self.engine, "minute_keys", [key_row(self.hour, 7, 2**40 + 3)])
        insert(self.engine, "minute_keys", [key_row(self.hour, 5, 2_000_001)])
        self.assertEqual(select(self.engine, "SELECT requests FROM log_analytics.minute_keys FINAL"), [[7]])

    def test_names_come_back_as_they_were(self):
        names = ["GET /ä/\"quoted\"\\;\nDROP TABLE x; --", "GET /\x01\t'", "(other)"]
        insert(self.engine, "minute_keys", [key_row(self.hour, 1, 2, name) for name in names])
        rows = select(self.engine, "SELECT key FROM log_analytics.minute_keys FINAL")
        self.assertEqual(sorted(row[0] for row in rows), sorted(names))

    def test_hours_and_days_add_up_minutes(self):
        insert(self.engine, "minute_keys", [key_row(self.hour + MINUTE_S * i, i, 2) for i in range(1, 121)])
        insert(self.engine, "minute_keys", [key_row(self.hour, 99, 2, "GET /b"), key_row(self.hour, 1, 2, customer="x")])
        rows = select(self.engine, "SELECT toUnixTimestamp(window_start), key, requests FROM log_analytics.hour_keys "
                                   f"WHERE customer = 'demo' AND window_start >= toDateTime({self.hour}) ORDER BY ALL")
        self.assertEqual(rows, [[self.hour, "GET /", sum(range(60))], [self.hour, "GET /b", 99],
                                [self.hour + HOUR_S, "GET /", sum(range(60, 120))],
                                [self.hour + 2 * HOUR_S, "GET /", 120]])
        days = select(self.engine, "SELECT toUnixTimestamp(window_start), requests FROM log_analytics.day_keys "
                                   "WHERE customer = 'demo' AND key = 'GET /'")
        self.assertEqual(days, [[self.hour // DAY_S * DAY_S, sum(range(121))]])

    def test_one_insert_may_touch_every_year(self):
        rows = [key_row(year * 365 * DAY_S, 1, 2) for year in range(57)]
        insert(self.engine, "minute_keys", rows)
        self.assertEqual(select(self.engine, "SELECT count() FROM log_analytics.minute_keys FINAL"), [[57]])

    def test_scripts_may_be_run_again(self):
        insert(self.engine, "minute_keys", [key_row(self.hour, 5, 2)])
        for name in ("schema.sql", "retention.sql", "schema.sql", "retention.sql"):
            run_script(self.engine, name)
        for view in ("hour_keys", "day_keys"):
            self.assertEqual(select(self.engine, f"SELECT sum(requests) FROM log_analytics.{view}"), [[5]], view)

    def test_hours_and_days_outlive_their_minutes(self):
        old = self.hour - 100 * DAY_S
        older = self.hour - 800 * DAY_S
        for start in (self.hour, old, older):
            insert(self.engine, "minute_keys", [key_row(start + MINUTE_S * i, 2, 2) for i in range(30)])
            insert(self.engine, "minute_totals", [
                totals_row(start + MINUTE_S * i, 2, 2, visitors={"3": 4}, status={"200": 2}) for i in range(30)])
        run_script(self.engine, "retention.sql")
        for table in ("minute_keys", "minute_totals", "kept_hour_keys", "kept_hour_totals"):
            self.engine.query(f"OPTIMIZE TABLE log_analytics.{table} FINAL")
        left = select(self.engine, "SELECT DISTINCT toUnixTimestamp(toStartOfHour(window_start)) "
                                   "FROM log_analytics.minute_keys FINAL")
        self.assertEqual(left, [[self.hour]])
        for kind in ("keys", "totals"):
            hours = select(self.engine, f"SELECT toUnixTimestamp(window_start), requests FROM log_analytics.hour_{kind} "
                                        "ORDER BY ALL")
            self.assertEqual(hours, [[old, 60], [self.hour, 60]], kind)
            days = select(self.engine, f"SELECT requests FROM log_analytics.day_{kind}")
            self.assertEqual(days, [[60]] * 3, kind)
        kept = select(self.engine, "SELECT status, visitors FROM log_analytics.day_totals "
                                   "SETTINGS output_format_json_quote_64bit_integers = 0")
        self.assertEqual(kept, [[{"200": 60}, {"3": 4}]] * 3)

    def test_what_changes_is_kept_by_the_refreshes(self):
        run_script(self.engine, "retention.sql")
        insert(self.engine, "minute_keys", [key_row(self.hour, 1, 2), key_row(self.hour + MINUTE_S, 1, 2)])
        self._refresh("keep_hour_keys")
        insert(self.engine, "minute_keys", [key_row(self.hour, 5, 4)])
        self._refresh("keep_hour_keys")
        kept = select(self.engine, "SELECT requests, version FROM log_analytics.kept_hour_keys FINAL")
        self.assertEqual(kept, [[6, 6]])

    def test_a_window_can_be_split_over_sub_keys_later(self):
        """Step 4 of the plan for hot customers in deploy/README.md: tables with rows, and a job that knows of no sub-keys."""
        insert(self.engine, "minute_keys", [key_row(self.hour, 5, 2)])
        self.engine.query("ALTER TABLE log_analytics.minute_keys "
                          "ADD COLUMN sub UInt16, MODIFY ORDER BY (customer, dimension, window_start, key, sub)")
        run_script(self.engine, "retention.sql")
        insert(self.engine, "minute_keys", [key_row(self.hour, 7, 4)])
        split = [key_row(self.hour, 1, 2), key_row(self.hour, 2, 4), key_row(self.hour, 4, 2, "GET /b")]
        insert(self.engine, "minute_keys", [{**row, "sub": 3} for row in split])
        for _ in range(2):
            rows = select(self.engine, "SELECT key, sub, requests FROM log_analytics.minute_keys FINAL ORDER BY key, sub")
            self.assertEqual(rows, [["GET /", 0, 7], ["GET /", 3, 2], ["GET /b", 3, 4]])
            for view in ("hour_keys", "day_keys"):
                rows = select(self.engine, f"SELECT key, requests FROM log_analytics.{view} ORDER BY key")
                self.assertEqual(rows, [["GET /", 9], ["GET /b", 4]], view)
            self.engine.query("OPTIMIZE TABLE log_analytics.minute_keys FINAL")

    def _refresh(self, view: str) -> None:
        self.engine.query(f"SYSTEM WAIT VIEW log_analytics.{view}")
        self.engine.query(f"SYSTEM REFRESH VIEW log_analytics.{view}")
        self.engine.query(f"SYSTEM WAIT VIEW log_analytics.{view}")


if __name__ == "__main__":
    unittest.main()
