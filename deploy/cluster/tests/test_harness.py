"""The harness itself: processes are told apart, ports are free, and the HTTP front of ClickHouse refuses what it is not."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))

import clickhouse
import processes
from layout import PORTS, Layout


class ProcessesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.layout = Layout(Path(self.folder.name))
        self.layout.create()

    def tearDown(self):
        processes.end(self.layout, "sleeper", signal.SIGKILL, 10)
        self.folder.cleanup()

    def start(self):
        processes.start(self.layout, "sleeper", ["sleep", "600"])
        return processes.find(self.layout, "sleeper")

    def test_a_process_is_found_until_it_is_killed(self):
        self.assertIsNone(processes.find(self.layout, "sleeper"))
        pid = self.start()
        self.assertIsNotNone(pid)
        self.assertEqual(self.start(), pid)
        self.assertTrue(processes.end(self.layout, "sleeper", signal.SIGKILL, 10))
        self.assertIsNone(processes.find(self.layout, "sleeper"))
        self.assertNotEqual(self.start(), pid)

    def test_another_process_with_the_same_id_is_left_alone(self):
        self.start()
        processes.end(self.layout, "sleeper", signal.SIGKILL, 10)
        record = json.loads(self.layout.run("sleeper").read_text())
        record["pid"] = os.getpid()
        self.layout.run("sleeper").write_text(json.dumps(record))
        self.assertIsNone(processes.find(self.layout, "sleeper"))
        self.assertTrue(processes.end(self.layout, "sleeper", signal.SIGKILL, 1))

    def test_one_that_ends_early_is_reported_with_its_last_words(self):
        processes.start(self.layout, "sleeper", ["sh", "-c", "echo its last words"])
        with self.assertRaisesRegex(processes.NotReady, "its last words"):
            processes.wait_until(self.layout, "sleeper", lambda: False)

    def test_ports_are_chosen_once_and_differ(self):
        again = Layout(Path(self.folder.name))
        again.create()
        self.assertEqual(again.ports, self.layout.ports)
        self.assertEqual(len(set(again.ports.values())), len(PORTS))


class ClickHouseFrontTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.layout = Layout(Path(cls.folder.name))
        cls.layout.create()
        clickhouse.start(cls.layout)
        clickhouse.wait(cls.layout)

    @classmethod
    def tearDownClass(cls):
        processes.end(cls.layout, "clickhouse", signal.SIGTERM, 10)
        cls.folder.cleanup()

    def ask(self, method: str, body: str = "", headers: dict | None = None, **parameters: str):
        connection = http.client.HTTPConnection("127.0.0.1", self.layout.ports["clickhouse"], timeout=60)
        try:
            connection.request(method, "/?" + urllib.parse.urlencode(parameters), body.encode() or None, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def test_rows_survive_kill(self):
        row = {"customer": "kill", "window_start": 60, "requests": 3, "version": 2, "final": 0}
        status, _ = self.ask("POST", json.dumps(row), query="INSERT INTO log_analytics.minute_totals FORMAT JSONEachRow")
        self.assertEqual(status, 200)
        processes.end(self.layout, "clickhouse", signal.SIGKILL, 10)
        clickhouse.start(self.layout)
        clickhouse.wait(self.layout)
        question = "SELECT requests FROM minute_totals FINAL WHERE customer = {customer:String}"
        self.assertEqual(self.ask("GET", query=question, param_customer="kill"), (200, "3\n"))

    def test_parameters_are_never_sql(self):
        self.assertEqual(self.ask("GET", query="SELECT {x:String}", param_x="'; DROP TABLE y", default_format="JSONCompactEachRow"),
                         (200, '["\'; DROP TABLE y"]\n'))

    def test_errors_have_the_status_and_words_of_clickhouse(self):
        status, body = self.ask("POST", "SELECT nonsense")
        self.assertEqual(status, 404 if "Code: 60" in body else 400)
        self.assertIn("UNKNOWN_IDENTIFIER", body)
        self.assertEqual(self.ask("POST", "SELECT * FROM nowhere")[0], 404)
        self.assertEqual(self.ask("POST", "{", query="INSERT INTO minute_totals FORMAT JSONEachRow")[0], 400)

    def test_what_the_front_does_not_know_is_refused(self):
        self.assertEqual(self.ask("GET", query="SELECT 1", max_threads="1")[0], 400)
        self.assertEqual(self.ask("GET", query="SELECT 1", database="elsewhere")[0], 400)
        self.assertEqual(self.ask("POST", "SELECT 1", {"content-encoding": "gzip"})[0], 400)
        self.assertEqual(self.ask("GET", query="DROP TABLE minute_totals")[0], 400)

    def test_a_script_is_split_at_line_ends_only(self):
        self.assertEqual(clickhouse.statements("-- a; b\nSELECT ';' ,\n 1;\n\nSELECT 2;\n"), ["SELECT ';' ,\n 1", "SELECT 2"])


if __name__ == "__main__":
    unittest.main()
