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


def path_row(start: int, requests: int, version: int, path: str = "GET /", customer: str = "demo") -> dict:
    return {"customer": customer, "window_start": start, "path": path, "requests": requests, "version": version,
            "final": version % 2}


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
            start = self.hour + 60 * len(select(self.engine, "SELECT window_start FROM log_analytics.minute_by_path FINAL"))
            for version in order:
                insert(self.engine, "minute_by_path", [path_row(start, 10 * version, version)])
            rows = select(self.engine, "SELECT requests, version, final FROM log_analytics.minute_by_path FINAL "
                                       f"WHERE window_start = {start}")
            self.assertEqual(rows, [[50, 5, 1]])

    def test_rows_inserted_again_change_nothing(self):
        rows = [path_row(self.hour + MINUTE_S * i, 1, 2) for i in range(10)]
        for _ in range(3):
            insert(self.engine, "minute_by_path", rows)
        self.assertEqual(select(self.engine, "SELECT sum(requests) FROM log_analytics.hour_by_path"), [[10]])

    def test_what_reconcile_writes_is_never_replaced(self):
        insert(self.engine, "minute_by_path", [path_row(self.hour, 7, 2**40 + 3)])
        insert(self.engine, "minute_by_path", [path_row(self.hour, 5, 2_000_001)])
        self.assertEqual(select(self.engine, "SELECT requests FROM log_analytics.minute_by_path FINAL"), [[7]])

    def test_names_come_back_as_they_were(self):
        names = ["GET /ä/\"quoted\"\\;\nDROP TABLE x; --", "GET /\x01\t'", "(other)"]
        insert(self.engine, "minute_by_path", [path_row(self.hour, 1, 2, name) for name in names])
        rows = select(self.engine, "SELECT path FROM log_analytics.minute_by_path FINAL")
        self.assertEqual(sorted(row[0] for row in rows), sorted(names))

    def test_hours_and_days_add_up_minutes(self):
        insert(self.engine, "minute_by_path", [path_row(self.hour + MINUTE_S * i, i, 2) for i in range(1, 121)])
        insert(self.engine, "minute_by_path", [path_row(self.hour, 99, 2, "GET /b"), path_row(self.hour, 1, 2, customer="x")])
        rows = select(self.engine, "SELECT toUnixTimestamp(window_start), path, requests FROM log_analytics.hour_by_path "
                                   f"WHERE customer = 'demo' AND window_start >= toDateTime({self.hour}) ORDER BY ALL")
        self.assertEqual(rows, [[self.hour, "GET /", sum(range(60))], [self.hour, "GET /b", 99],
                                [self.hour + HOUR_S, "GET /", sum(range(60, 120))],
                                [self.hour + 2 * HOUR_S, "GET /", 120]])
        days = select(self.engine, "SELECT toUnixTimestamp(window_start), requests FROM log_analytics.day_by_path "
                                   "WHERE customer = 'demo' AND path = 'GET /'")
        self.assertEqual(days, [[self.hour // DAY_S * DAY_S, sum(range(121))]])

    def test_one_insert_may_touch_every_year(self):
        rows = [path_row(year * 365 * DAY_S, 1, 2) for year in range(57)]
        insert(self.engine, "minute_by_path", rows)
        self.assertEqual(select(self.engine, "SELECT count() FROM log_analytics.minute_by_path FINAL"), [[57]])

    def test_scripts_may_be_run_again(self):
        insert(self.engine, "minute_by_path", [path_row(self.hour, 5, 2)])
        for name in ("schema.sql", "retention.sql", "schema.sql", "retention.sql"):
            run_script(self.engine, name)
        for view in ("hour_by_path", "day_by_path"):
            self.assertEqual(select(self.engine, f"SELECT sum(requests) FROM log_analytics.{view}"), [[5]], view)

    def test_hours_and_days_outlive_their_minutes(self):
        old = self.hour - 100 * DAY_S
        older = self.hour - 800 * DAY_S
        for start in (self.hour, old, older):
            insert(self.engine, "minute_by_path", [path_row(start + MINUTE_S * i, 2, 2) for i in range(30)])
            insert(self.engine, "minute_by_agent", [
                {"customer": "demo", "window_start": start, "agent": "curl", "requests": 60, "version": 2, "final": 1}])
        run_script(self.engine, "retention.sql")
        for table in ("minute_by_path", "minute_by_agent", "kept_hour_by_path", "kept_hour_by_agent"):
            self.engine.query(f"OPTIMIZE TABLE log_analytics.{table} FINAL")
        left = select(self.engine, "SELECT DISTINCT toUnixTimestamp(toStartOfHour(window_start)) "
                                   "FROM log_analytics.minute_by_path FINAL")
        self.assertEqual(left, [[self.hour]])
        for dimension in ("path", "agent"):
            hours = select(self.engine, f"SELECT toUnixTimestamp(window_start), requests FROM log_analytics.hour_by_{dimension} "
                                        "ORDER BY ALL")
            self.assertEqual(hours, [[old, 60], [self.hour, 60]], dimension)
            days = select(self.engine, f"SELECT requests FROM log_analytics.day_by_{dimension}")
            self.assertEqual(days, [[60]] * 3, dimension)

    def test_what_changes_is_kept_by_the_refreshes(self):
        run_script(self.engine, "retention.sql")
        insert(self.engine, "minute_by_path", [path_row(self.hour, 1, 2), path_row(self.hour + MINUTE_S, 1, 2)])
        self._refresh("keep_hour_by_path")
        insert(self.engine, "minute_by_path", [path_row(self.hour, 5, 4)])
        self._refresh("keep_hour_by_path")
        kept = select(self.engine, "SELECT requests, version FROM log_analytics.kept_hour_by_path FINAL")
        self.assertEqual(kept, [[6, 6]])

    def test_a_window_can_be_split_over_sub_keys_later(self):
        """Step 4 of the plan for hot customers in deploy/README.md: tables with rows, and a job that knows of no sub-keys."""
        insert(self.engine, "minute_by_path", [path_row(self.hour, 5, 2)])
        self.engine.query("ALTER TABLE log_analytics.minute_by_path "
                          "ADD COLUMN sub UInt16, MODIFY ORDER BY (customer, window_start, path, sub)")
        run_script(self.engine, "retention.sql")
        insert(self.engine, "minute_by_path", [path_row(self.hour, 7, 4)])
        split = [path_row(self.hour, 1, 2), path_row(self.hour, 2, 4), path_row(self.hour, 4, 2, "GET /b")]
        insert(self.engine, "minute_by_path", [{**row, "sub": 3} for row in split])
        for _ in range(2):
            rows = select(self.engine, "SELECT path, sub, requests FROM log_analytics.minute_by_path FINAL ORDER BY path, sub")
            self.assertEqual(rows, [["GET /", 0, 7], ["GET /", 3, 2], ["GET /b", 3, 4]])
            for view in ("hour_by_path", "day_by_path"):
                rows = select(self.engine, f"SELECT path, requests FROM log_analytics.{view} ORDER BY path")
                self.assertEqual(rows, [["GET /", 9], ["GET /b", 4]], view)
            self.engine.query("OPTIMIZE TABLE log_analytics.minute_by_path FINAL")

    def _refresh(self, view: str) -> None:
        self.engine.query(f"SYSTEM WAIT VIEW log_analytics.{view}")
        self.engine.query(f"SYSTEM REFRESH VIEW log_analytics.{view}")
        self.engine.query(f"SYSTEM WAIT VIEW log_analytics.{view}")


if __name__ == "__main__":
    unittest.main()
